"""One night in plain Python: the steps of `geoseg run nightly.yaml --date today`, to start from where it is not enough.

python pipelines/nightly.py SHEETS RUN [--model potsdam.safetensors] [--workers 4]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from geoseg.errors import GeosegError
from geoseg.night.publish import date_of, prune, publish
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.contents import remember
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.look.verify import verify
from geoseg.stages.mosaic.mosaic import MosaicOptions, mosaic
from geoseg.stages.tile.tile import tile
from geoseg.work.executor import executor


def night(sheets: list[Path], run: Path, models: list[Path], workers: int) -> int:
    """Plan, compute, make outputs, check, publish; returns the exit code."""
    plan = tile(sheets, run, TileOptions()).plan
    with executor(workers) as processes:
        done = infer(run, InferOptions(model=tuple(models)), executor=processes)
    mosaic(run, MosaicOptions())
    remember(Run(run))
    faults = verify(run).faults
    for path, what, cure in faults:
        print(f"{path}: {what} ({cure})", file=sys.stderr)
    if faults:
        return 1
    print(f"{done.computed} of {done.blocks} blocks; published {publish(Run(run), date_of('today'))}")
    prune(Run(run), keep=14, older_than=14 * 86400)
    return 3 if plan.quarantined or done.quarantined else 0


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheets", type=Path, nargs="+")
    parser.add_argument("run", type=Path)
    parser.add_argument("--model", type=Path, action="append", default=[], help="default: the shipped network")
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    try:
        return night(options.sheets, options.run, options.model, options.workers)
    except GeosegError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())

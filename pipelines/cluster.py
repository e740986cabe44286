"""A night on your own Dask cluster: the plan and the outputs are made here, the network runs on every worker.

    dask scheduler                                              # on one host
    CUDA_VISIBLE_DEVICES=0 dask worker tcp://HOST:8786 --nthreads 1    # one for each GPU, on all hosts
    python pipelines/cluster.py tcp://HOST:8786 SHEETS RUN

Sheets, run folder and model file lie on storage that all hosts see under the same path, and all run the same geoseg.
Everybody who can reach the scheduler can run code on its workers: keep it on a separate network, or use tls://.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from geoseg.errors import GeosegError
from geoseg.night.stages import run_stages
from geoseg.options import InferOptions, RunOptions
from geoseg.work.executor import executor


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scheduler")
    parser.add_argument("sheets", type=Path, nargs="+")
    parser.add_argument("run", type=Path)
    parser.add_argument("--model", type=Path, action="append", default=[])
    options = parser.parse_args()
    try:
        asked = RunOptions(infer=InferOptions(model=tuple(options.model)))
        with executor(scheduler=options.scheduler) as workers:
            report = run_stages(options.sheets, options.run, asked, executor=workers)
    except GeosegError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{report.infer.computed} of {report.infer.blocks} blocks, {report.infer.seconds:.0f} s")
    return 0 if report.complete else 3


if __name__ == "__main__":
    sys.exit(main())

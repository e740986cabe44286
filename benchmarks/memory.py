"""Peak memory of infer for sheets of growing height: it must not grow.

python benchmarks/memory.py [--heights 6000,60000] [--engine torch]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import common


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heights", default="6000,60000")
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--one", type=int)
    options = parser.parse_args()
    if options.one:
        from geoseg.options import InferOptions, TileOptions
        from geoseg.stages.infer.infer import infer
        from geoseg.stages.tile.tile import tile

        run = options.work / "memory_run"
        shutil.rmtree(run, ignore_errors=True)
        tile([options.work / f"sheet_{options.one}x{options.width}.tif"], run, TileOptions())
        report = infer(
            run,
            InferOptions(
                models=(options.work / "lraspp.pt",), engine=options.engine, precision=options.precision, threads=1
            ),
        )
        print(report.patches, common.peak_rss())
        return
    common.model_file(options.work)
    peaks = []
    for height in map(int, options.heights.split(",")):
        common.sheet(options.work / f"sheet_{height}x{options.width}.tif", height, options.width)
        command = [
            sys.executable,
            __file__,
            "--one",
            str(height),
            "--width",
            str(options.width),
            "--work",
            str(options.work),
        ]
        command += ["--engine", options.engine, "--precision", options.precision]
        patches, peak = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-2:]
        peaks.append(float(peak))
        print(
            f"{options.engine} {options.precision}, {options.width} x {height}: {patches} patches, peak "
            f"{float(peak):.0f} MB",
            flush=True,
        )
    print(f"last / first: {peaks[-1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()

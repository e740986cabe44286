"""Peak memory of a job whose sheets lie scattered over a huge square, beside one of 6000 x 6000 px.

python benchmarks/sparse.py [--side 60000] [--sheets 36]
python benchmarks/sparse.py --side 100000 --sheets 100 --vectors --workers 2      # a very large night in small:
memory, and what the scheduler's process works
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import common
import numpy as np
from mosaic import network


def scattered(folder: Path, side: int, count: int, size: int) -> Path:
    """Sheets of size x size px at random places of a square; the first and last in opposite corners."""
    import rasterio
    from rasterio.transform import Affine

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(4)
    places = rng.integers(0, max(1, side - size), (count, 2))
    places[0], places[-1] = 0, side - size
    pixels = np.kron(rng.integers(0, 6, (size // 50, size // 50), np.uint8), np.ones((50, 50), np.uint8))
    profile = {"driver": "GTiff", "count": 3, "height": size, "width": size, "dtype": "uint8", "crs": "EPSG:25833",
               "compress": "deflate", "tiled": True, "blockxsize": 512, "blockysize": 512}  # fmt: skip
    for k, (x, y) in enumerate(places.tolist()):
        place = Affine(0.05, 0, 367_000 + 0.05 * x, 0, -0.05, 5_807_000 - 0.05 * y)
        with rasterio.open(folder / f"s{k:03}.tif", "w", transform=place, **profile) as dataset:
            dataset.write(np.stack([pixels] * 3))
    return folder


def one(work: Path, what: str, vectors: bool, workers: int) -> None:
    """One job in a process of its own: its peak after each stage; with workers, the leader's."""
    from geoseg.options import InferOptions, TileOptions
    from geoseg.stages.infer.infer import infer
    from geoseg.stages.mosaic.mosaic import MosaicOptions, mosaic
    from geoseg.stages.tile.tile import tile
    from geoseg.work.executor import executor

    run, begin = work / f"{what}_run", time.monotonic()
    shutil.rmtree(run, ignore_errors=True)
    planned = tile([work / what], run, TileOptions())
    with executor(workers=workers) as who:
        infer(run, InferOptions(model=(work / "band.pt",), engine="torch", precision="f32", threads=1), executor=who)
        after_infer, worked, inferred = common.peak_rss(), time.process_time(), time.monotonic() - begin
        mosaic(run, MosaicOptions(vectors=vectors, sheet_rasters=vectors), executor=who)
    print(
        f"{planned.blocks} blocks; peak after infer {after_infer:.0f} MB, after mosaic {common.peak_rss():.0f} MB;"
        f" {inferred:.0f} s (this process {worked:.0f} CPU s) and {time.monotonic() - begin - inferred:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=60_000)
    parser.add_argument("--sheets", type=int, default=36)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/sparse"))
    parser.add_argument(
        "--vectors", action="store_true", help="also the layers, district by district, and the sheets' rasters"
    )
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--one")
    options = parser.parse_args()
    if options.one:
        one(options.work, options.one, options.vectors, options.workers)
        return
    options.work.mkdir(parents=True, exist_ok=True)
    network(options.work / "band.pt")
    scattered(options.work / "small", 6000, 1, 6000)
    scattered(options.work / "large", options.side, options.sheet_rasters, 1000)
    for what, side in (("small", 6000), ("large", options.side)):
        command = [
            sys.executable,
            __file__,
            "--one",
            what,
            "--work",
            str(options.work),
            "--workers",
            str(options.workers),
            *(["--vectors"] if options.vectors else []),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(f"{side} x {side} px: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()

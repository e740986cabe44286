"""Seconds that `geoseg tile` takes for a thousand sheets, and `geoseg --help`.

python benchmarks/tile_many.py [--sheets 1000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import common
import numpy as np


def main() -> None:
    import rasterio
    from rasterio.transform import Affine

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheets", type=int, default=1000)
    parser.add_argument("--side", type=int, default=2000)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    options = parser.parse_args()
    folder = options.work / f"many_{options.sheet_rasters}_{options.side}"
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 200, (3, options.side, options.side), dtype=np.uint8)
    across = int(options.sheet_rasters**0.5) + 1
    source = common.sheet(options.work / "sheet_600.tif", 600, 600)
    del source
    template = None
    for i in range(options.sheet_rasters):
        path = folder / f"s{i:05d}.tif"
        if path.exists():
            continue
        place = Affine(
            0.1, 0, 300_000 + (i % across) * options.side * 0.1, 0, -0.1, 5_800_000 - (i // across) * options.side * 0.1
        )
        if template is None:
            template = {
                "driver": "GTiff",
                "count": 3,
                "height": options.side,
                "width": options.side,
                "dtype": "uint8",
                "crs": "EPSG:25833",
                "compress": "zstd",
                "zstd_level": 1,
                "tiled": True,
                "blockxsize": 512,
                "blockysize": 512,
                "sparse_ok": True,
            }
        with rasterio.open(path, "w", transform=place, **template) as dataset:
            dataset.write(pixels[:, :512, :512], window=((0, 512), (0, 512)))
            dataset.write(pixels[:, :512, :512], window=((0, 512), (options.side - 512, options.side)))
    for arguments in (["--help"], ["tile", str(folder), "-o", str(options.work / "many_run"), "--overwrite"]):
        times = []
        for _ in range(3):
            begin = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "geoseg.cli.main", *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            times.append(time.monotonic() - begin)
        print(f"geoseg {arguments[0]}: {sorted(times)[1]:.2f} s (median of 3)", flush=True)


if __name__ == "__main__":
    main()

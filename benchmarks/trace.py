"""Polygons of a class raster: geoseg's trace, whole and block by block, beside rasterio.features.shapes.

python benchmarks/trace.py [--raster classes.tif] [--size 6000]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np


def main() -> None:
    import rasterio
    import rasterio.features
    import shapely
    from scipy import ndimage

    from geoseg.vectorize.join import join
    from geoseg.vectorize.trace import trace

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raster", type=Path)
    parser.add_argument("--size", type=int, default=6000)
    parser.add_argument("--block", type=int, default=2048)
    options = parser.parse_args()
    if options.raster:
        with rasterio.open(options.raster) as dataset:
            raster = dataset.read(1)
    else:
        rng, shape = np.random.default_rng(0), (options.size, options.size)
        scores = [ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), 12) for _ in range(6)]
        raster = np.argmax(scores, 0).astype(np.uint8)
    trace(raster[:64, :64])

    def seconds(work):
        begin = time.process_time()
        found = work()
        return time.process_time() - begin, found

    def blocks():
        size = options.block
        rows, cols = (-(-n // size) for n in raster.shape)
        padded = np.full((rows * size, cols * size), 255, np.uint8)
        padded[: raster.shape[0], : raster.shape[1]] = raster
        for r in range(rows):
            for c in range(cols):
                yield (r, c), trace(padded[r * size : (r + 1) * size, c * size : (c + 1) * size], skip=255)

    whole, regions = seconds(lambda: trace(raster, skip=255))
    split, joined = seconds(lambda: join(blocks(), options.block))
    peer, shapes = seconds(
        lambda: [
            (shapely.geometry.shape(g), v) for g, v in rasterio.features.shapes(raster, connectivity=4) if v != 255
        ]
    )
    assert len(regions) == len(joined) == len(shapes)
    print(f"{raster.shape[1]} x {raster.shape[0]} px, {len(regions):,} regions, CPU s:")
    print(f"trace {whole:.2f}, blocks + join {split:.2f}, rasterio.features.shapes {peer:.2f}")
    print(f"ratio to shapes: {whole / peer:.2f}, {split / peer:.2f}")


if __name__ == "__main__":
    main()

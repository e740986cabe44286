"""Polygons of a class raster: geoseg's trace, whole and block by block, beside rasterio.features.shapes.

python benchmarks/trace.py [--raster classes.tif] [--size 6000]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from common import peak_rss
from vector_quality import damage


def main() -> None:
    import rasterio
    import rasterio.features
    import shapely

    from geoseg.scenes.scene import Scene
    from geoseg.vectorize.join import join
    from geoseg.vectorize.trace import trace

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raster", type=Path)
    parser.add_argument("--size", type=int, default=6000)
    parser.add_argument("--damage", type=float, default=1.0, help="how ragged, as in vector_quality.py")
    parser.add_argument("--only", action="store_true", help="the whole trace alone, with its peak memory")
    parser.add_argument("--block", type=int, default=2048)
    options = parser.parse_args()
    if options.raster:
        with rasterio.open(options.raster) as dataset:
            raster = dataset.read(1)
    else:
        drawn = Scene(123, 300.0, 300.0, 0.05)
        part = damage(drawn.labels(0, 0, *drawn.shape), np.random.default_rng(0), options.damage)
        times = -(-options.size // part.shape[0])
        raster = np.tile(part, (times, times))[: options.size, : options.size].copy()
        del part
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

    before = peak_rss()
    whole, regions = seconds(lambda: trace(raster, skip=255))
    if options.only:
        print(
            f"{raster.shape[1]} x {raster.shape[0]} px, {len(regions):,} regions: {whole:.2f} CPU s, peak "
            f"{peak_rss():.0f} MB ({before:.0f} before)"
        )
        return
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

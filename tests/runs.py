"""Photos, towns and whole runs of them, and what can be compared of a run."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from support import PLACE, class_raster, moved, write_sheet

from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(3)
PLAIN = MosaicOptions(name="town", vectors=False)

SECTOR, METRES = 640, 64.0
"""Pixels along a sector of the drawn town, and metres; regions of up to 160 px are never cut."""


def truth(height: int, width: int) -> np.ndarray:
    """Three bands; the first holds random classes."""
    first = RNG.integers(0, 6, (height, width), dtype=np.uint8)
    return np.stack([first, RNG.integers(0, 255, (height, width), dtype=np.uint8), first])


def classes_like(height: int = 90, width: int = 80) -> np.ndarray:
    """Three bands; the first holds classes in squares of 10 px."""
    first = np.repeat(np.repeat(RNG.integers(0, 6, (height // 10 + 1, width // 10 + 1)), 10, 0), 10, 1)[:height, :width]
    return np.stack([first, first + 30, first + 60]).astype(np.uint8)


def photo(height: int, width: int) -> np.ndarray:
    """Three smooth bands with detail at all scales."""
    y, x = np.mgrid[:height, :width]
    waves = [
        100 + 60 * np.sin(x / (5 + 3 * b)) * np.cos(y / (7 + b)) + 30 * np.sin((x * y) / (900 + 100 * b))
        for b in range(3)
    ]
    return np.clip(np.stack(waves) + RNG.normal(0, 6, (3, height, width)), 0, 255).astype(np.uint8)


def town_sheet(folder: Path, col: int, row: int, seed: int) -> Path:
    """One sheet of the town: 128 px, at a column and row of sheets."""
    pixels = np.random.default_rng(seed).integers(0, 6, (3, 128, 128), np.uint8)
    pixels = pixels.repeat(8, 1).repeat(8, 2)[:, :128, :128]
    return write_sheet(
        folder / f"s_{col}_{row}.tif", pixels, place=moved(PLACE, 128 * col, 128 * row), compress="deflate"
    )


def whole_run(sheets: Path, run: Path, model: Path, block: int, **options: object) -> Path:
    """All three stages in one process; every small polygon is kept."""
    tile([sheets], run, TileOptions(block_size=block))
    infer(run, InferOptions(model=(model,), engine="torch", precision="f32", **options))
    mosaic(run, MosaicOptions(min_area=0))
    return run


def run_truth(
    tmp_path: Path, network: Path, sheets: list[Path], options: TileOptions | None = None, **inference: object
) -> np.ndarray:
    """The class raster of a run over some sheets."""
    tile(sheets, tmp_path / "run", options or TileOptions(block_size=64))
    infer(tmp_path / "run", InferOptions(model=(network,), engine="torch", **inference))
    mosaic(tmp_path / "run")
    return class_raster(tmp_path / "run")[0]


def pixels_of(run: Path) -> np.ndarray:
    """Class and confidence of a run's outputs."""
    return np.stack(
        [rasterio.open(next((run / "out").glob(f"*_{kind}.tif"))).read(1) for kind in ("classes", "confidence")]
    )


def polygons_of(run: Path) -> list[tuple[str, bytes]]:
    """All features of a run's GeoPackage, in an order that hangs on nothing but them."""
    path = next((run / "out").glob("*.gpkg"))
    found = []
    for layer in geopandas.list_layers(path).name:
        if layer != "layer_styles":
            frame = geopandas.read_file(path, layer=layer)
            shapes = shapely.to_wkb(shapely.normalize(frame.geometry.to_numpy()))
            found += list(zip(frame["id"], frame["class"], shapes, frame["confidence"].astype(str), strict=True))
    return sorted(found)

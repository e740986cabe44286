"""What tests of all rooms share and what imports nothing heavy: places, real GeoTIFFs, what lies in a run folder."""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from affine import Affine

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample_data"
CONFIGS = ROOT / "configs"

RGB = ("red", "green", "blue")
CRS = "EPSG:25833"
PLACE = Affine(0.1, 0, 367_000, 0, -0.1, 5_807_000)

COMMAND = [sys.executable, "-m", "geoseg.cli.main"]
"""The command line in a process of its own."""


def write_sheet(
    path: Path, pixels: np.ndarray, *, place: Affine | None = PLACE, crs: str | None = CRS, **profile: object
) -> Path:
    """A real GeoTIFF of (C, H, W) or (H, W) pixels."""
    import rasterio

    pixels = pixels if pixels.ndim == 3 else pixels[None]
    settings = {
        "driver": "GTiff",
        "count": len(pixels),
        "height": pixels.shape[1],
        "width": pixels.shape[2],
        "dtype": pixels.dtype.name,
        "crs": crs,
        "transform": place,
        **profile,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        if place is None:
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **settings) as dataset:
            dataset.write(pixels)
    return path


def moved(place: Affine, col: int, row: int) -> Affine:
    """The place of a crop that starts at (col, row)."""
    return place @ Affine.translation(col, row)


def class_raster(run: Path) -> tuple[np.ndarray, Affine]:
    """Pixels and place of a run's class raster."""
    import rasterio

    (path,) = (run / "out").glob("*_classes.tif")
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.transform


def block_hashes(run: Path) -> dict[str, str]:
    """SHA-256 of each block of a run."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((run / "blocks").glob("*.tif"))}


def files_of(run: Path) -> dict[str, tuple[int, int]]:
    """Number and time of change of each file of a run, but for locks: what was written again has others."""
    return {
        str(p): (p.stat().st_ino, p.stat().st_mtime_ns)
        for p in run.rglob("*")
        if p.is_file() and p.parent.name != "locks"
    }

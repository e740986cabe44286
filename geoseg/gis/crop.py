"""A part of a run's grid as a small GeoTIFF: pixels of the photo with their mask, or labels."""

from __future__ import annotations

from collections.abc import Mapping

from rasterio.io import MemoryFile
from rasterio.windows import Window

from geoseg.arrays import Image, Json, Valid
from geoseg.classes import NODATA
from geoseg.geometry.grid import Grid

__all__ = ["crop_geotiff"]

Rgba = tuple[int, int, int, int]


def crop_geotiff(
    grid: Grid, window: Window, bands: Image, valid: Valid | None, colours: Mapping[int, Rgba] | None = None
) -> bytes:
    """A GeoTIFF with a mask; without `valid` it is one of labels, whose no-data value is 255.

    Args:
        grid: of the run.
        window: the part of it.
        bands: pixels (C, H, W).
        valid: which of them have data (H, W); None for labels.
        colours: of the labels' values.
    """
    profile: Json = {
        "driver": "GTiff",
        "count": len(bands),
        "height": window.height,
        "width": window.width,
        "dtype": bands.dtype.name,
        "crs": grid.crs,
        "transform": grid.window_transform(window),
        "compress": "deflate",
        "predictor": 3 if bands.dtype.kind == "f" else 2 if valid is not None else 1,
        "nodata": NODATA if valid is None else None,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(bands)
            if colours:
                dataset.write_colormap(1, dict(colours))
            if valid is not None and not valid.all():
                dataset.write_mask(valid)
        return bytes(memory.getbuffer())

"""Sheets that do not lie on the grid are warped onto it, one chunk at a time.

Chunks are squares of `CHUNK` pixels anchored on the grid. A warped pixel therefore does not depend on the window that
is asked for. The resampling is GDAL's, bilinear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window

from geoseg.arrays import Floats, Image, Valid
from geoseg.geometry.grid import Grid
from geoseg.plan import Sheet, transform_of

__all__ = ["CHUNK", "SheetPixels", "chunks_of", "source_part", "warp"]

CHUNK = 512
"""Side of a chunk in pixels of the grid."""


@dataclass(frozen=True)
class SheetPixels:
    """Pixels (C, h, w) of a sheet, which of them are valid (h, w), and where they lie (pixel -> x, y; WKT)."""

    pixels: Image
    valid: Valid
    transform: Affine
    crs: str


def chunks_of(window: Window) -> Iterator[Window]:
    """The chunks that share a pixel with a window, row by row."""
    for row in range(window.row_off // CHUNK, (window.row_off + window.height - 1) // CHUNK + 1):
        for col in range(window.col_off // CHUNK, (window.col_off + window.width - 1) // CHUNK + 1):
            yield Window(col * CHUNK, row * CHUNK, CHUNK, CHUNK)


def source_part(sheet: Sheet, grid: Grid, chunk: Window) -> tuple[slice, slice] | None:
    """Rows and columns of a sheet that a chunk needs, with 4 pixels to spare; None where they do not meet."""
    bounds = transform_bounds(grid.crs, sheet.crs, *grid.bounds(chunk), densify_pts=21)
    inverse = ~transform_of(sheet.header)
    corners = [inverse @ (x, y) for x in (bounds[0], bounds[2]) for y in (bounds[1], bounds[3])]
    col0, col1 = min(c for c, _ in corners), max(c for c, _ in corners)
    row0, row1 = min(r for _, r in corners), max(r for _, r in corners)
    spare = 4 + int(max((col1 - col0) / chunk.width, (row1 - row0) / chunk.height, 1) * 2)
    left, right = max(0, int(col0) - spare), min(sheet.header.width, int(col1) + 1 + spare)
    top, bottom = max(0, int(row0) - spare), min(sheet.header.height, int(row1) + 1 + spare)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def warp(part: SheetPixels, grid: Grid, chunk: Window) -> tuple[Image, Valid]:
    """Pixels (C, H, W) of a chunk in the data type of the sheet, and their validity (H, W); 0 where not valid.

    Values are weighted means of valid pixels alone: the validity is warped with them as one more band, and they are
    divided by it. So no border bleeds in.
    """
    pixels, good = part.pixels, part.valid
    layers = np.concatenate([np.where(good, pixels, 0).astype(np.float32), good[None].astype(np.float32)])
    out: Floats = np.zeros((len(layers), chunk.height, chunk.width), np.float32)
    reproject(
        layers,
        out,
        src_transform=part.transform,
        src_crs=part.crs,
        dst_transform=grid.window_transform(chunk),
        dst_crs=grid.crs,
        resampling=Resampling.bilinear,
    )
    weight = out[-1]
    valid = weight > 0.5
    values = out[:-1] / np.maximum(weight, 0.5)
    if pixels.dtype.kind in "ui":
        limits = np.iinfo(pixels.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return np.where(valid, values, 0).astype(pixels.dtype), valid

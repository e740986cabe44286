"""Kinds of paved ground on a coarse raster: carriageway, told from parking and yards by length and width.

clean classes -> coarse cover -> `vectorize.carriageway` -> kinds; coarse pixels are counted from the grid's anchor,
so parts fit
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Bytes, Floats, Mask, Values
from geoseg.classes import NODATA, ClassTable
from geoseg.vectorize.dice import Codes
from geoseg.vectorize.labels import SIDES, Sides
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.strips import carriageway

__all__ = [
    "CARRIAGEWAY",
    "KIND_CODES",
    "REACH",
    "YARD",
    "Streets",
    "coarse_mean",
    "coarse_step",
    "cover_of",
    "kinds_of",
    "largest_kind",
]


STREET_PIXEL = 0.25
"""Metres: streets are told from yards, and their centrelines drawn, on a raster of about this pixel size."""

REACH = 60.0
"""Metres: paved ground farther away influences neither the kind of a place nor the course of a centreline."""

CARRIAGEWAY, YARD = 1, 2
PAVED, OVER = 1, 2
"""Bits of the cover: at least half of a coarse pixel is paved ground, or lies under crowns or cars."""

KIND_CODES = Codes((CARRIAGEWAY, YARD), NODATA)


@dataclass(frozen=True)
class Streets:
    """Kinds of paved ground on a piece of the coarse raster.

    Attributes:
        codes: kinds and states (`vectorize.dice`) (h, w).
        window: where they lie on the coarse grid.
        core: rows and columns whose roads are wanted.
        frame: left, top, right and bottom of the whole, in pixel corners of `codes`.
        origin: row and column on the grid where the whole begins.
        step: pixels of the grid along a coarse one.
        pixel: metres along a coarse one.
        whole_of: as in `piece.Piece`, on the coarse grid.
    """

    codes: Values
    window: Window
    core: tuple[slice, slice]
    frame: tuple[int, int, int, int]
    origin: tuple[int, int]
    step: int
    pixel: float
    whole_of: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    @property
    def kinds(self) -> Bytes:
        """`CARRIAGEWAY`, `YARD` or no data."""
        return np.asarray(KIND_CODES.value_of[self.codes], np.uint8)

    def pixel_on_grid(self, row: int, col: int) -> tuple[int, int]:
        """First pixel on the grid, within the whole, of a pixel of the coarse grid."""
        return max(row * self.step, self.origin[0]), max(col * self.step, self.origin[1])


def coarse_step(gsd: float) -> int:
    """Pixels of the grid that make one of the coarse raster."""
    return max(1, round(STREET_PIXEL / gsd))


def largest_kind(pixel: float) -> int:
    """Coarse pixels from which on paved ground is cut where sectors meet."""
    return round(REACH / pixel)


def cover_of(clean: Bytes, window: Window, table: ClassTable, step: int) -> Bytes:
    """Bits (h, w) that tell what covers the ground, of a clean class raster (H, W) on a window of the grid."""
    ground = _coarse(clean, window, [c.value for c in table.classes if c.role == "road"], step)
    over = _coarse(clean, window, [c.value for c in table.classes if c.role in ("car", "tree")], step)
    return np.asarray(PAVED * ground + OVER * over, np.uint8)


def kinds_of(cover: Bytes, pixel: float, goes_on: Sides = SIDES) -> Bytes:
    """Kinds of paved ground (h, w) of a cover (h, w) with pixels of so many metres.

    `goes_on`: sides beyond which there is more.
    """
    ground = (cover & PAVED) > 0
    street = carriageway(ground, (cover & OVER) > 0, pixel, goes_on=goes_on)
    kinds = np.where(street, CARRIAGEWAY, np.where(ground, YARD, NODATA)).astype(np.uint8)
    return merge_small(kinds, {CARRIAGEWAY: 40 / pixel**2, YARD: 10 / pixel**2}, skip=NODATA, goes_on=goes_on)


def coarse_mean(raster: Bytes, window: Window, step: int, of: Bytes | None = None) -> Floats:
    """Means (h, w) of step x step squares of a raster (H, W) on a window of the grid, or of `of[raster]`.

    At the frame the raster's last row or column stands for what is missing of a square.
    """
    top, left = int(window.row_off) % step, int(window.col_off) % step
    high, wide = -(-(raster.shape[0] + top) // step), -(-(raster.shape[1] + left) // step)
    out = np.empty((high, wide), np.float32)
    for first in range(0, high, 256):
        begin, end = first * step - top, (first + 256) * step - top
        part = raster[max(0, begin) : end]
        part = part if of is None else of[part]
        rows = min(high - first, 256)
        above = max(0, -begin)
        padding = (above, rows * step - above - part.shape[0]), (left, wide * step - left - part.shape[1])
        padded = np.pad(part, padding, mode="edge")
        out[first : first + rows] = padded.reshape(rows, step, wide, step).mean((1, 3), dtype=np.float32)
    return out


def _coarse(raster: Bytes, window: Window, values: list[int], step: int) -> Mask:
    """Squares of which at least half has one of some values."""
    of = np.zeros(256, np.uint8)
    of[values] = 1
    return np.asarray(coarse_mean(raster, window, step, of) >= 0.5)

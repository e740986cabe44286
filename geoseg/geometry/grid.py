"""The grid: every pixel of a run has one integer index on it, negative ones too.

CRS, pixel sizes, phase and anchor are fixed by the first `geoseg tile` of a run and never moved by later sheets. The
grid is north-up; its pixels are as wide and as high as those of the sheets, which may differ a little. A window on it
is a `rasterio.windows.Window` of whole numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

__all__ = ["ON_GRID", "Grid", "bounding", "grown", "is_nearly_square", "overlap", "same_crs", "slices"]

ON_GRID = 0.02
"""A sheet is on the grid if its corners lie within this share of a pixel of the grid's; else it is warped."""

UNEQUAL = 0.01
"""Pixels whose sides differ by this share at most are taken as they are; others are warped to squares."""


@dataclass(frozen=True)
class Grid:
    """CRS (WKT), anchor (x, y of the upper left corner of pixel 0, 0) and pixel size in CRS units.

    `pixel` is the width of a pixel, `pixel_y` its height: 0 for as much as its width.
    """

    crs: str
    x0: float
    y0: float
    pixel: float
    pixel_y: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixel_y", self.pixel_y or self.pixel)

    @property
    def pixel_area(self) -> float:
        """Area of a pixel in square CRS units."""
        return self.pixel * self.pixel_y

    @property
    def side(self) -> float:
        """Side of a square as large as a pixel, in CRS units."""
        return self.pixel if self.pixel == self.pixel_y else math.sqrt(self.pixel_area)

    @property
    def aspect(self) -> float:
        """Root of width by height of a pixel."""
        return math.sqrt(self.pixel / self.pixel_y)

    @property
    def transform(self) -> Affine:
        """Pixel (col, row) to (x, y)."""
        return Affine(self.pixel, 0, self.x0, 0, -self.pixel_y, self.y0)

    def window_transform(self, window: Window) -> Affine:
        """Pixel (col, row) of a window to (x, y)."""
        return self.transform @ Affine.translation(window.col_off, window.row_off)

    def bounds(self, window: Window) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) of a window."""
        left, top = self.transform @ (window.col_off, window.row_off)
        right, bottom = self.transform @ (window.col_off + window.width, window.row_off + window.height)
        return left, bottom, right, top

    def covering(self, left: float, bottom: float, right: float, top: float) -> Window:
        """Smallest window that covers a rectangle; corners within `ON_GRID` of a pixel's edge are taken as on it."""
        col0 = math.floor((left - self.x0) / self.pixel + ON_GRID)
        row0 = math.floor((self.y0 - top) / self.pixel_y + ON_GRID)
        col1 = math.ceil((right - self.x0) / self.pixel - ON_GRID)
        row1 = math.ceil((self.y0 - bottom) / self.pixel_y - ON_GRID)
        return Window(col0, row0, max(1, col1 - col0), max(1, row1 - row0))

    def place(self, transform: Affine, width: int, height: int, crs: str) -> Window | None:
        """Window of a north-up sheet that lies on the grid pixel by pixel; None where it would have to be warped."""
        if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
            return None
        col, row = ~self.transform @ (transform.c, transform.f)
        right, bottom = ~self.transform @ (transform @ (width, height))
        off = max(abs(v - round(v)) for v in (col, row, right, bottom))
        if off > ON_GRID or round(right) - round(col) != width or round(bottom) - round(row) != height:
            return None
        return Window(round(col), round(row), width, height) if same_crs(crs, self.crs) else None

    def to_json(self) -> dict[str, Any]:
        """Plain dict; floats keep all their digits. The height of pixels is left out where they are square."""
        value = {"crs": self.crs, "x0": self.x0, "y0": self.y0, "pixel": self.pixel}
        return value if self.pixel == self.pixel_y else {**value, "pixel_y": self.pixel_y}


def is_nearly_square(transform: Affine) -> bool:
    """Whether pixels are as wide as they are high, to one in a hundred: then a sheet keeps its own pixels."""
    wide, high = abs(float(transform.a)), abs(float(transform.e))
    return max(wide, high) <= (1 + UNEQUAL) * min(wide, high)


def same_crs(a: str, b: str) -> bool:
    """True if two WKT texts mean the same CRS, however they spell it."""
    return a == b or CRS.from_wkt(a) == CRS.from_wkt(b)


def overlap(a: Window, b: Window) -> Window | None:
    """Common part of two windows; None where they share no pixel."""
    col0, row0 = max(a.col_off, b.col_off), max(a.row_off, b.row_off)
    col1 = min(a.col_off + a.width, b.col_off + b.width)
    row1 = min(a.row_off + a.height, b.row_off + b.height)
    return Window(col0, row0, col1 - col0, row1 - row0) if col1 > col0 and row1 > row0 else None


def grown(window: Window, by: int) -> Window:
    """A window with `by` more pixels on every side."""
    return Window(window.col_off - by, window.row_off - by, window.width + 2 * by, window.height + 2 * by)


def bounding(windows: list[Window]) -> Window:
    """Smallest window that holds all windows; there must be at least one."""
    col0, row0 = min(w.col_off for w in windows), min(w.row_off for w in windows)
    col1 = max(w.col_off + w.width for w in windows)
    row1 = max(w.row_off + w.height for w in windows)
    return Window(col0, row0, col1 - col0, row1 - row0)


def slices(part: Window, whole: Window) -> tuple[slice, slice]:
    """Rows and columns of `part` in an array that holds `whole`."""
    top, left = part.row_off - whole.row_off, part.col_off - whole.col_off
    return slice(top, top + part.height), slice(left, left + part.width)

"""Web Mercator: where a run lies on it, which zoom holds all its pixels, and where tiles lie.

Tiles are 512 px wide, as MapLibre draws them: the whole world is one tile at zoom 0. See the tile matrix set
WebMercatorQuad (OGC 17-083r4), whose tiles of 256 px are one zoom further.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyproj
import pyproj.exceptions
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from geoseg.arrays import Doubles
from geoseg.geometry.grid import Grid

__all__ = ["MERCATOR", "TILE", "WORLD", "Bounds", "Placement", "degrees", "tile_bounds", "tiles_meeting"]

TILE = 512
"""Side of a tile in pixels."""
WORLD = 2 * math.pi * 6_378_137.0
"""Side of the world in metres of Web Mercator."""
MERCATOR = "EPSG:3857"
HIGHEST = 85.0
"""Degrees of latitude beyond which Web Mercator is of no use."""
EDGE = 0.01
"""Share of a window's side that is added around it."""
NEARLY = 0.15
"""Share of a zoom by which pixels may be finer than those of the tiles: 1/9 of their width."""
FINEST = 24

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Placement:
    """How a grid is laid on Web Mercator.

    A grid without a CRS, or one that Web Mercator cannot show, is laid around the point 0, 0, where the projection is
    true to scale: `local` says so, and `shift` (x, y) is what its coordinates are moved by. `window` is the part of the
    grid that is shown.
    """

    grid: Grid
    crs: str
    window: Window
    shift: tuple[float, float] = (0.0, 0.0)
    local: bool = False

    @classmethod
    def of(cls, grid: Grid, window: Window) -> Placement:
        """Where a window of a grid lies."""
        left, bottom, right, top = grid.bounds(window)
        if grid.crs and _on_earth(grid.crs, (left, bottom, right, top)):
            return cls(grid, grid.crs, window)
        return cls(grid, MERCATOR, window, (-(left + right) / 2, -(bottom + top) / 2), local=True)

    @cached_property
    def _transformer(self) -> pyproj.Transformer:
        return pyproj.Transformer.from_crs(self.crs, MERCATOR, always_xy=True)

    def xy(self, points: Doubles) -> Doubles:
        """Coordinates (N, 2) of the grid's CRS in Web Mercator."""
        moved = np.asarray(points, np.float64) + self.shift
        if self.local:
            return moved
        return np.stack(self._transformer.transform(moved[:, 0], moved[:, 1]), axis=1)

    def bounds(self, window: Window) -> Bounds:
        """Box of Web Mercator around a window of the grid."""
        left, bottom, right, top = self.grid.bounds(window)
        moved = left + self.shift[0], bottom + self.shift[1], right + self.shift[0], top + self.shift[1]
        return moved if self.local else transform_bounds(self.crs, MERCATOR, *moved, densify_pts=21)

    @cached_property
    def _box(self) -> Bounds:
        """Box of Web Mercator around the window, with a little more: its curved sides are known by some points."""
        left, bottom, right, top = self.bounds(self.window)
        spare = EDGE * max(right - left, top - bottom)
        return left - spare, bottom - spare, right + spare, top + spare

    def part(self, box: Bounds) -> Bounds | None:
        """The part of a box of Web Mercator where the window lies; None where it does not.

        A tile that holds half the world has no place in a CRS that is made for some degrees, as UTM is.
        """
        low, high = np.maximum(box[:2], self._box[:2]), np.minimum(box[2:], self._box[2:])
        if (low >= high).any():
            return None
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def source(self, box: Bounds) -> Bounds:
        """Box of the grid's CRS around one of Web Mercator, which lies where the CRS is of use: see `part`."""
        left, bottom, right, top = box if self.local else transform_bounds(MERCATOR, self.crs, *box, densify_pts=21)
        return left - self.shift[0], bottom - self.shift[1], right - self.shift[0], top - self.shift[1]

    def transform(self, window: Window) -> Affine:
        """Pixel of a window to x, y of `crs`."""
        return Affine.translation(*self.shift) @ self.grid.window_transform(window)

    def zooms(self, window: Window) -> tuple[int, int]:
        """The zooms of the pyramid: at the first a window fits into one tile's width, at the last into its pixels."""
        box = self.bounds(window)
        col, row = window.col_off + window.width / 2, window.row_off + window.height / 2
        corners = np.array([self.grid.transform @ p for p in ((col, row), (col + 1, row), (col, row + 1))])
        middle, right, below = self.xy(corners)
        pixel = min(np.hypot(*(right - middle)), np.hypot(*(below - middle)))
        last = min(FINEST, max(0, math.ceil(math.log2(WORLD / TILE / pixel) - NEARLY)))
        side = max(box[2] - box[0], box[3] - box[1])
        return min(last, max(0, math.floor(math.log2(WORLD / side)))), last


def _on_earth(crs: str, box: Bounds) -> bool:
    """Whether Web Mercator can show a box of a CRS (WKT)."""
    try:
        to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        west, south, east, north = to_degrees.transform_bounds(*box)
    except pyproj.exceptions.ProjError:  # a CRS without a place on Earth
        return False
    inside = -180 <= west < east <= 180 and -HIGHEST <= south < north <= HIGHEST
    return bool(np.isfinite([west, south, east, north]).all() and inside)


def degrees(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of a point of Web Mercator."""
    radius = WORLD / (2 * math.pi)
    return math.degrees(x / radius), math.degrees(2 * math.atan(math.exp(y / radius)) - math.pi / 2)


def tile_bounds(zoom: int, x: int, y: int) -> Bounds:
    """Box of a tile in Web Mercator; tiles are counted from the upper left."""
    side = WORLD / 2**zoom
    left, top = x * side - WORLD / 2, WORLD / 2 - y * side
    return left, top - side, left + side, top


def tiles_meeting(box: Bounds, zoom: int) -> list[tuple[int, int]]:
    """The tiles (x, y) that a box of Web Mercator meets at a zoom."""
    side, most = WORLD / 2**zoom, 2**zoom - 1
    spare = 1e-9 * WORLD / 2**zoom
    first = math.floor((box[0] + spare + WORLD / 2) / side), math.floor((WORLD / 2 - box[3] + spare) / side)
    last = math.floor((box[2] - spare + WORLD / 2) / side), math.floor((WORLD / 2 - box[1] - spare) / side)
    columns, rows = (range(max(0, a), min(most, b) + 1) for a, b in zip(first, last, strict=True))
    return [(x, y) for y in rows for x in columns]

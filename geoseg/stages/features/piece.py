"""A piece of a clean class raster: its rasters, its place on the ground, and all that is known of its regions.

All layers of a piece are made from one `Classified`, so that ids, attributes and places agree between layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypedDict

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.arrays import Bytes, Doubles, Ints, Json, Mask, Shapes, Values
from geoseg.classes import NODATA, ClassTable
from geoseg.geometry.grid import Grid
from geoseg.stages.features.streets import Streets
from geoseg.vectorize.buildings import Squared
from geoseg.vectorize.dice import HOUSE, Codes
from geoseg.vectorize.insert import Placed
from geoseg.vectorize.rings import Rings

__all__ = ["Attributes", "Checks", "Classified", "Ground", "Piece", "codes_of", "families_of", "within"]

Attributes: TypeAlias = Json
"""Columns of one feature by name."""


class Checks(TypedDict):
    """Figures of a piece's own part of the coverage; areas in pixels, `pixels` by class name."""

    polygons: int
    vertices: int
    invalid: int
    matched: bool
    area: float
    pixels: dict[str, float]


@dataclass(frozen=True)
class Ground:
    """The place of a raster.

    Attributes:
        grid: the run's.
        window: the raster's, on the grid.
        gsd: metres on the ground along a pixel; where pixels are not square, along a square as large.
        sheet_of: name of the sheet that holds a pixel (row, column) of the grid.
        run_id: of the run.
    """

    grid: Grid
    window: Window
    gsd: float
    sheet_of: Callable[[int, int], str]
    run_id: str = ""

    @property
    def pixel(self) -> Doubles:
        """Metres on the ground along a pixel, to the right and up."""
        return np.array([self.gsd * self.grid.aspect, -self.gsd / self.grid.aspect])

    def own(self, shape: shapely.Geometry, first: Ints) -> shapely.Geometry:
        """From pixel corners to metres from a region's first pixel (row, column), wherever the raster begins."""
        return shapely.transform(shape, lambda xy: (xy - first[::-1]) * self.pixel)

    def from_own(self, shape: shapely.Geometry, first: Ints) -> shapely.Geometry:
        """From metres from a region's own first pixel back to pixel corners."""
        return shapely.transform(shape, lambda xy: xy / self.pixel + first[::-1])

    def world(self, shapes: Shapes) -> Shapes:
        """From pixel corners of the raster to the grid's CRS."""
        corner, grid = [self.window.col_off, self.window.row_off], self.grid
        found: Shapes = shapely.transform(
            shapes, lambda xy: (xy + corner) * [grid.pixel, -grid.pixel_y] + [grid.x0, grid.y0]
        )
        return found


@dataclass(frozen=True)
class Piece:
    """A sector's core and what lies around it.

    Attributes:
        codes: classes and states (`vectorize.dice`) (H, W) on a window of the grid.
        confidence: per cent (H, W).
        core: rows and columns of the core, whose features are wanted.
        streets: kinds of paved ground, where roads are wanted.
        whole_of: for regions of the core that go on in other cores: first pixel (on the grid) of the whole by first
            pixel of the part.
    """

    codes: Values
    confidence: Bytes
    core: tuple[slice, slice]
    streets: Streets | None = None
    whole_of: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Classified:
    """A piece of a clean class raster and its regions: those with data whose first pixel lies in its core.

    Houses that a region is cut into are regions of their own here; all of them lie where the region begins.

    Attributes:
        piece: the rasters.
        rings: exact outlines of the regions.
        states: `vectorize.dice`'s, of each region.
        homes: first pixel (N, 2) of each region; of houses that of the region that they were cut from.
        part_of: first pixel on the grid (row, column) of the whole that each region is cut from, None for those that
            are whole.
        coverage: the land cover; `owner` is the number of the region.
        squared: by region, in metres from its own first pixel.
        table: the classes.
        ground: where the piece lies.
        checks: figures of the coverage.
        edges: see `vectorize.coverage.open_edges`.
    """

    piece: Piece
    rings: Rings
    states: Bytes
    homes: Ints
    part_of: list[tuple[int, int] | None]
    coverage: Placed
    squared: dict[int, Squared]
    table: ClassTable
    ground: Ground
    checks: Checks
    edges: Ints

    @property
    def families(self) -> Ints:
        """See `families_of`."""
        return families_of(self.states, self.homes)

    def pixel(self, i: int) -> tuple[int, int]:
        """Row and column on the grid of a region's first pixel."""
        return self._on_grid(self.rings.first[i])

    def home(self, i: int) -> tuple[int, int]:
        """The same of the region that a house was cut from; the region's own where it is none."""
        return self._on_grid(self.homes[i])

    def _on_grid(self, pixel: Ints) -> tuple[int, int]:
        row, col = pixel.tolist()
        return row + int(self.ground.window.row_off), col + int(self.ground.window.col_off)


def families_of(states: Bytes, homes: Ints) -> Ints:
    """A number for each region (N,): houses that were cut from one have the same, all others -1."""
    houses = states >= HOUSE
    found = np.full(len(houses), -1)
    found[houses] = np.unique(homes[houses], axis=0, return_inverse=True)[1].ravel()
    return found


def codes_of(table: ClassTable) -> Codes:
    """Codes of a table's classes."""
    return Codes(tuple(table.values), NODATA)


def within(pixels: Ints, core: tuple[slice, slice]) -> Mask:
    """Tell for each pixel (N, 2), row and column, if it lies in the core."""
    row, col = pixels.T
    return np.asarray((row >= core[0].start) & (row < core[0].stop) & (col >= core[1].start) & (col < core[1].stop))

"""The place of a raster on the ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import shapely
from rasterio.windows import Window

from geoseg.arrays import Ints, Shapes
from geoseg.geometry.grid import Grid

__all__ = ["Ground"]


@dataclass(frozen=True)
class Ground:
    """The place of a raster.

    Attributes:
        grid: the run's.
        window: the raster's, on the grid.
        gsd: metres on the ground along a pixel.
        sheet_of: name of the sheet that holds a pixel (row, column) of the grid.
        run_id: of the run.
    """

    grid: Grid
    window: Window
    gsd: float
    sheet_of: Callable[[int, int], str]
    run_id: str = ""

    def own(self, shape: shapely.Geometry, first: Ints) -> shapely.Geometry:
        """From pixel corners to metres from a region's first pixel (row, column), wherever the raster begins."""
        return shapely.transform(shape, lambda xy: (xy - first[::-1]) * [self.gsd, -self.gsd])

    def from_own(self, shape: shapely.Geometry, first: Ints) -> shapely.Geometry:
        """From metres from a region's own first pixel back to pixel corners."""
        return shapely.transform(shape, lambda xy: xy / [self.gsd, -self.gsd] + first[::-1])

    def world(self, shapes: Shapes) -> Shapes:
        """From pixel corners of the raster to the grid's CRS."""
        corner, size = [self.window.col_off, self.window.row_off], self.grid.pixel
        found: Shapes = shapely.transform(
            shapes, lambda xy: (xy + corner) * [size, -size] + [self.grid.x0, self.grid.y0]
        )
        return found

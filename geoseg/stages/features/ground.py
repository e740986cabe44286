"""Where a raster lies on the ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.windows import Window

from geoseg.geometry.grid import Grid

__all__ = ["Ground"]


@dataclass(frozen=True)
class Ground:
    """Where a raster lies: its grid, its window, metres on the ground per pixel, which sheet holds a pixel (row, column), which run it is of."""

    grid: Grid
    window: Window
    gsd: float
    sheet_of: Callable[[int, int], str]
    run_id: str = ""

    def own(self, shape: shapely.Geometry, first: npt.NDArray[np.int64]) -> shapely.Geometry:
        """Pixel corners to metres from a region's own first pixel (row, column): the same numbers wherever the raster begins."""
        return shapely.transform(shape, lambda xy: (xy - first[::-1]) * [self.gsd, -self.gsd])

    def from_own(self, shape: shapely.Geometry, first: npt.NDArray[np.int64]) -> shapely.Geometry:
        """Back from metres from a region's own first pixel to pixel corners."""
        return shapely.transform(shape, lambda xy: xy / [self.gsd, -self.gsd] + first[::-1])

    def world(self, shapes: Any) -> Any:
        """Pixel corners of the raster to the grid's CRS."""
        corner, size = [self.window.col_off, self.window.row_off], self.grid.pixel
        return shapely.transform(shapes, lambda xy: (xy + corner) * [size, -size] + [self.grid.x0, self.grid.y0])

"""The area of interest of a run, from a box or a vector file."""

from __future__ import annotations

from pathlib import Path

import shapely

from geoseg.errors import UsageError
from geoseg.geometry.grid import Grid
from geoseg.options import TileOptions

__all__ = ["area_of"]


def area_of(options: TileOptions, grid: Grid) -> str:
    """The area of interest as WKT in the grid's CRS, to a millionth of its unit; "" for everywhere.

    Raises:
        UsageError: an impossible box, a file without polygons, or a box and polygons that do not meet.
    """
    shapes = []
    if options.bbox is not None:
        left, bottom, right, top = options.bbox
        if left >= right or bottom >= top:
            what = f"{options.bbox}, expected left,bottom,right,top in the grid's CRS"
            raise UsageError("--bbox", what, "left < right, bottom < top")
        shapes.append(shapely.box(left, bottom, right, top))
    if options.aoi is not None:
        shapes.append(_polygons(options.aoi, grid))
    if not shapes:
        return ""
    area = shapes[0] if len(shapes) == 1 else shapely.intersection(shapes[0], shapes[1])
    if area.is_empty:
        raise UsageError("--aoi", "does not meet --bbox", "leave one of them out")
    return str(shapely.to_wkt(area, rounding_precision=6))


def _polygons(path: Path, grid: Grid) -> shapely.Geometry:
    """The union of the polygons of a vector file, in the grid's CRS."""
    from geoseg.gis.vector_door import read_vectors

    frame = read_vectors(path)
    if frame.crs is None:
        raise UsageError(path, "has no CRS", "assign one first")
    area = shapely.union_all(frame.to_crs(grid.crs).geometry.make_valid().to_numpy())
    if area.area == 0:
        raise UsageError(path, "holds no polygon", "name a file of polygons")
    return area

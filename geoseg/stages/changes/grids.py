"""Class rasters on one grid; a raster of another one is refused, with the commands that lay it on this one."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from geoseg.errors import UsageError
from geoseg.geometry.grid import Grid
from geoseg.geometry.ground import horizontal, is_geographic
from geoseg.sheets.door import gdal_settings, open_sheet

__all__ = ["grid_of", "places_on"]


@dataclass(frozen=True)
class _Raster:
    """Where a class raster lies; `crs` is WKT."""

    path: Path
    crs: str
    transform: Affine
    width: int
    height: int

    def __str__(self) -> str:
        t = self.transform
        return f"{_short(self.crs)}, pixels of {t.a:.10g} x {-t.e:.10g} from {t.c:.10g}, {t.f:.10g}"


def _raster(path: Path) -> _Raster:
    """Look at a class raster.

    Raises:
        UsageError: it is none, or has no place in a projected CRS.
        SheetError: it cannot be read.
    """
    with open_sheet(path) as dataset, rasterio.Env(**gdal_settings()):
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            what = f"has {dataset.count} bands of {dataset.dtypes[0]}, expected one band of uint8 class values"
            raise UsageError(path, what, "name a run folder, or one of its nights")
        crs = horizontal(dataset.crs.to_wkt()) if dataset.crs else ""
        if not crs or is_geographic(crs):
            raise UsageError(path, "has no place in a projected CRS", "warp it with gdalwarp -t_srs EPSG:...")
        return _Raster(path, crs, dataset.transform, dataset.width, dataset.height)


def grid_of(path: Path) -> Grid:
    """The grid of a class raster, anchored at its corner; errors as of `places_on`, but for those of the grid."""
    found = _raster(path)
    t = found.transform
    return Grid(found.crs, t.c, t.f, t.a, -t.e)


def places_on(grid: Grid, rasters: Sequence[Path], first: Path) -> tuple[Window, ...]:
    """Window of each class raster on a grid.

    Args:
        grid: that of `first`.
        rasters: their files.
        first: the raster that has this grid.

    Raises:
        UsageError: a raster of another grid, or none at all; names the commands that lay it on this one.
        SheetError: a raster cannot be read.
    """
    places = []
    for path in rasters:
        found = _raster(path)
        place = grid.place(found.transform, found.width, found.height, found.crs)
        if place is None:
            raise UsageError(path, f"has another grid: {found}; {first} has {_raster(first)}", _cure(found, grid))
        places.append(place)
    return tuple(places)


def _short(crs: str) -> str:
    """The EPSG code of a CRS, or its PROJ text."""
    code = CRS.from_wkt(crs).to_epsg()
    return f"EPSG:{code}" if code else CRS.from_wkt(crs).to_proj4() or "another CRS"


def _cure(raster: _Raster, grid: Grid) -> str:
    """The commands that lay a class raster on the grid, pixel by pixel."""
    corners = [raster.transform @ (x, y) for x in (0, raster.width) for y in (0, raster.height)]
    xs, ys = zip(*corners, strict=True)
    bounds = transform_bounds(CRS.from_wkt(raster.crs), CRS.from_wkt(grid.crs), min(xs), min(ys), max(xs), max(ys))
    if not all(map(math.isfinite, bounds)):
        return "compare two nights of one place"
    extent = " ".join(f"{v:.12g}" for v in grid.bounds(grid.covering(*bounds)))
    where = f"-t_srs {shlex.quote(_short(grid.crs))} -tr {grid.pixel:.12g} {grid.pixel_y:.12g} -te {extent}"
    warp = f"gdalwarp {where} -r near {shlex.quote(str(raster.path))} aligned.tif"
    return f"align it: {warp} && geoseg mosaic --from aligned.tif -o aligned; then compare with aligned"

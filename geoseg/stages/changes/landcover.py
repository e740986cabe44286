"""Land cover from class to class: a matrix that balances exactly, and polygons of the ground that changed."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas
import numpy as np
import pandas
import shapely

from geoseg.arrays import Json, Mask
from geoseg.geometry.ground import area_factors
from geoseg.stages.changes.scan import Scan, from_to
from geoseg.stages.changes.sides import Both

__all__ = ["LandCover", "land_cover"]


@dataclass(frozen=True)
class LandCover:
    """What became of the ground that has data on both sides.

    Attributes:
        polygons: changed ground; `from`, `to`, `pixels`, `area_m2`.
        matrix: `from`, `to`, `pixels`, `area_m2` of each pair of classes; its sums over `to` are OLD's class counts,
            those over `from` are NEW's.
        balance: `kind` (unchanged, polygons, slivers), `pixels`, `area_m2`; its sum is that of the matrix.
    """

    polygons: geopandas.GeoDataFrame
    matrix: pandas.DataFrame
    balance: pandas.DataFrame

    def to_json(self) -> Json:
        """Matrix and balance as plain rows."""
        return {"matrix": self.matrix.to_dict("records"), "balance": self.balance.to_dict("records")}


def land_cover(both: Both, found: Scan) -> LandCover:
    """The matrix, and exact outlines of changed ground without slivers.

    A sliver is a region that is nowhere as wide as the tolerance, or smaller than the smallest size.
    """
    frame = _frame(both, found)
    kept = (frame["area_m2"] >= found.least[found.regions.values]) & _wide(both, frame)
    polygons = frame[kept].reset_index(drop=True)
    return LandCover(polygons, _matrix(found), _balance(found, polygons))


def _frame(both: Both, found: Scan) -> geopandas.GeoDataFrame:
    """All changed regions."""
    grid, regions = both.grid, found.regions
    pairs = [from_to(int(v), len(found.names)) for v in regions.values]
    before, after = ([found.names[p[k]] for p in pairs] for k in (0, 1))
    world = shapely.transform(regions.polygons, lambda xy: xy * [grid.pixel, -grid.pixel_y] + [grid.x0, grid.y0])
    centres = shapely.get_coordinates(shapely.centroid(world)).reshape(-1, 2)
    factors = area_factors(grid.crs, *centres.T) if len(world) else np.zeros(0)
    data = {
        "id": [f"{row}_{col}" for row, col in regions.first.tolist()],
        "from": np.array(before, object),
        "to": np.array(after, object),
        "pixels": regions.pixels.astype(np.int64),
        "area_m2": np.round(regions.pixels * grid.pixel_area * factors, 3),
    }
    return geopandas.GeoDataFrame(data, geometry=world, crs=grid.crs)


def _wide(both: Both, frame: geopandas.GeoDataFrame) -> Mask:
    """Which regions are somewhere wider than the tolerance."""
    within = shapely.buffer(frame.geometry.to_numpy(), -both.reach / 2, join_style="mitre")
    return np.asarray(~shapely.is_empty(within), bool)


def _matrix(found: Scan) -> pandas.DataFrame:
    """Pixels and square metres of each pair of classes, pairs without pixels too."""
    size = len(found.names)
    return pandas.DataFrame(
        {
            "from": np.repeat(np.array(found.names, object), size),
            "to": np.tile(np.array(found.names, object), size),
            "pixels": found.pixels.ravel(),
            "area_m2": np.round(found.areas.ravel(), 3),
        }
    )


def _balance(found: Scan, polygons: geopandas.GeoDataFrame) -> pandas.DataFrame:
    """The matrix in three rows: what stayed, what has a polygon, and slivers, which have none."""
    same, pixels = int(np.trace(found.pixels)), int(polygons["pixels"].sum())
    slivers = int(found.pixels.sum()) - same - pixels
    same_area = float(np.trace(found.areas))
    changed = float(found.areas.sum()) - same_area
    # The scale of the map is taken at each polygon there, at each block here: slivers take what is left of the sum.
    area = changed if not slivers else min(float(polygons["area_m2"].sum()), changed)
    rows = [("unchanged", same, same_area), ("polygons", pixels, area), ("slivers", slivers, changed - area)]
    return pandas.DataFrame(rows, columns=["kind", "pixels", "area_m2"]).round({"area_m2": 3})

"""Roads of two nights: stretches of centrelines that lead where the other night has no road.

Lines are not matched: a new side street divides the line that it meets, and a road that got wider moves its line. A
stretch of NEW is a new road where it lies outside OLD's road surface, and the reverse.
"""

from __future__ import annotations

from collections.abc import Iterator

import geopandas
import numpy as np
import shapely

from geoseg.arrays import Shapes
from geoseg.stages.changes.common_ground import CommonGround
from geoseg.stages.changes.objects import sound

__all__ = ["stretches"]

LEAST = 4.0
"""Metres: shorter stretches are ends of lines that moved. A road's own width, where that is more."""


def stretches(
    lines: geopandas.GeoDataFrame, surface: geopandas.GeoDataFrame, ground: CommonGround, metre: float
) -> Iterator[tuple[int, shapely.LineString]]:
    """Stretches of centrelines outside the other night's road surface, with the number of their line.

    Args:
        lines: centrelines, with `width_m`.
        surface: polygons of the other night.
        ground: where both nights have data.
        metre: CRS units for a metre on the ground.
    """
    parts = _outside(ground.clipped(np.asarray(lines.geometry.to_numpy(), object)), sound(surface), ground.reach)
    widths = lines["width_m"].fillna(0).to_numpy() if "width_m" in lines else np.zeros(len(lines))
    pieces, numbers = shapely.get_parts(parts, return_index=True)
    long = shapely.length(pieces) >= np.maximum(LEAST, widths[numbers]) * metre
    kept = np.flatnonzero(long & (shapely.get_type_id(pieces) == shapely.GeometryType.LINESTRING))
    yield from zip(numbers[kept].tolist(), pieces[kept], strict=True)


def _outside(lines: Shapes, surface: Shapes, reach: float) -> Shapes:
    """Lines (N,) without what lies within a distance of some polygons (M,)."""
    out = lines.copy()
    numbers, near = shapely.STRtree(surface).query(lines, predicate="dwithin", distance=reach)
    order = np.lexsort((near, numbers))
    numbers, (wanted, near) = numbers[order], np.unique(near[order], return_inverse=True)
    grown = shapely.buffer(surface[wanted], reach)
    shapely.prepare(grown)
    turn = np.arange(len(numbers)) - np.searchsorted(numbers, numbers)  # a line loses one polygon after the other
    for k in range(turn.max(initial=-1) + 1):
        mine, polygons = numbers[turn == k], grown[near[turn == k]]
        whole = shapely.covers(polygons, out[mine])  # nearly all lines: quickly told of a prepared polygon
        out[mine[whole]] = shapely.LineString()
        out[mine[~whole]] = shapely.line_merge(shapely.difference(out[mine[~whole]], polygons[~whole]))
    return out

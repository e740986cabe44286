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
    for piece, i in zip(pieces, numbers.tolist(), strict=True):
        if piece.geom_type == "LineString" and piece.length >= max(LEAST, float(widths[i])) * metre:
            yield i, piece


def _outside(lines: Shapes, surface: Shapes, reach: float) -> Shapes:
    """Lines (N,) without what lies within a distance of some polygons (M,)."""
    out = lines.copy()
    numbers, near = shapely.STRtree(surface).query(lines, predicate="dwithin", distance=reach)
    for k in np.unique(near):
        grown = shapely.buffer(surface[k], reach)
        shapely.prepare(grown)
        mine = numbers[near == k]
        whole = shapely.covers(grown, out[mine])  # nearly all lines: quickly told of a prepared polygon
        out[mine[whole]] = shapely.LineString()
        out[mine[~whole]] = shapely.line_merge(shapely.difference(out[mine[~whole]], grown))
    return out

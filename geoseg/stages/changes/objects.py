"""Objects of two nights, matched by overlap: buildings, trees, cars.

all pairs that overlap -> the best pairs first, one to one -> same, changed | what is left over: added, removed,
split, merged
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import geopandas
import numpy as np
import shapely

from geoseg.arrays import Doubles, Ints, Mask, Shapes
from geoseg.stages.changes.common_ground import CommonGround

__all__ = ["LEAST_SHARE", "Matches", "Pairs", "changed_objects", "match"]

LEAST_SHARE = 0.5
"""Two objects can be one if they share so much of the smaller of them."""
ROUND = 1 / math.cos(math.pi / 32)
"""A buffer's arcs have 8 chords to a quarter circle; with such a radius they lie on or outside the circle."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of objects: number in OLD, number in NEW, and the area that both share by the area of their union."""

    old: Ints
    new: Ints
    iou: Doubles

    def chosen(self, which: Mask | Ints) -> Pairs:
        """Some of them."""
        return Pairs(self.old[which], self.new[which], self.iou[which])


@dataclass(frozen=True)
class Matches:
    """Which objects are one, in order of their number in OLD, and every pair that might have been."""

    pairs: Pairs
    possible: Pairs


def match(old: geopandas.GeoDataFrame, new: geopandas.GeoDataFrame) -> Matches:
    """Match polygons one to one by overlap.

    Pairs that share at least half of the smaller one are taken from the best IoU down; of equal ones that with the
    lesser ids, so that neither the order of rows nor the order of the sides matters.

    Args:
        old: polygons with a column `id`.
        new: the same, in the same CRS.
    """
    possible = _possible(sound(old), sound(new))
    ids_old, ids_new = old["id"].astype(str).to_numpy(), new["id"].astype(str).to_numpy()
    ids = [sorted(pair) for pair in zip(ids_old[possible.old], ids_new[possible.new], strict=True)]
    order = sorted(range(len(ids)), key=lambda k: (-possible.iou[k], ids[k], possible.old[k], possible.new[k]))
    taken_old, taken_new, kept = np.zeros(len(old), bool), np.zeros(len(new), bool), []
    for k in order:
        i, j = possible.old[k], possible.new[k]
        if not taken_old[i] and not taken_new[j]:
            taken_old[i], taken_new[j] = True, True
            kept.append(k)
    return Matches(possible.chosen(np.array(sorted(kept, key=lambda k: possible.old[k]), np.int64)), possible)


def _possible(old: Shapes, new: Shapes) -> Pairs:
    """Pairs that share at least `LEAST_SHARE` of the smaller one."""
    i, j = shapely.STRtree(new).query(old, predicate="intersects")
    both = shapely.area(shapely.intersection(old[i], new[j]))
    a, b = shapely.area(old[i]), shapely.area(new[j])
    # Rounded, because the same two shapes give other last digits when they change places.
    iou = np.round(both / np.maximum(a + b - both, 1e-12), 9)
    enough = (both > 0) & (both >= (LEAST_SHARE - 1e-9) * np.minimum(a, b))
    return Pairs(i, j, iou).chosen(enough)


def sound(frame: geopandas.GeoDataFrame) -> Shapes:
    """Valid polygons: those of a file that somebody has edited need not be."""
    return np.asarray(shapely.make_valid(frame.geometry.to_numpy()), object)


def _same(old: Shapes, new: Shapes, reach: float) -> Mask:
    """Whether (N,) each point of either shape lies within a distance of the other one."""
    same = np.asarray(shapely.equals_exact(old, new), bool)
    rest = np.flatnonzero(~same)
    a, b = old[rest], new[rest]
    far = [shapely.difference(x, shapely.buffer(y, reach * ROUND, quad_segs=8)) for x, y in ((a, b), (b, a))]
    same[rest] = shapely.is_empty(far[0]) & shapely.is_empty(far[1])
    return same


def changed_objects(
    old: geopandas.GeoDataFrame, new: geopandas.GeoDataFrame, matches: Matches, ground: CommonGround
) -> list[tuple[str, int, int, float]]:
    """(kind, number in OLD or -1, number in NEW or -1, IoU) of each change, in a fixed order.

    Kinds: added, removed, changed; split, an object of NEW on one of OLD that another one continues; merged, the
    reverse. Objects that the edge of either night's ground cuts, or that lie beyond it, make no changes; nor do pairs
    of which one does.
    """
    shapes = sound(old), sound(new)
    inside_old, inside_new = map(ground.holds, shapes)
    pairs, possible = matches.pairs, matches.possible
    looked_at = pairs.chosen(inside_old[pairs.old] & inside_new[pairs.new])
    same = _same(shapes[0][looked_at.old], shapes[1][looked_at.new], ground.reach)
    changed = looked_at.chosen(~same)
    alone_old, alone_new = inside_old.copy(), inside_new.copy()
    alone_old[pairs.old], alone_new[pairs.new] = False, False
    merged, split = np.isin(np.arange(len(old)), possible.old), np.isin(np.arange(len(new)), possible.new)
    return [
        *(("added", -1, int(j), 0.0) for j in np.flatnonzero(alone_new & ~split)),
        *(("removed", int(i), -1, 0.0) for i in np.flatnonzero(alone_old & ~merged)),
        *(("changed", int(i), int(j), float(u)) for i, j, u in zip(changed.old, changed.new, changed.iou, strict=True)),
        *(("split", -1, int(j), 0.0) for j in np.flatnonzero(alone_new & split)),
        *(("merged", int(i), -1, 0.0) for i in np.flatnonzero(alone_old & merged)),
    ]

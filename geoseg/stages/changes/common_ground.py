"""The ground that has data on both sides, and what lies safely within it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from geoseg.arrays import Mask, Shapes
from geoseg.stages.changes.sides import Both

__all__ = ["CommonGround", "common_ground"]


@dataclass(frozen=True)
class CommonGround:
    """Ground with data on both sides, in a projected CRS.

    Attributes:
        boxes: rectangles (N,) that a raster of either side covers; those that touch are one ground.
        unknown: polygons (M,) where one raster has no data.
        reach: the tolerance, in units of the CRS.
        edge: what lies nearer to unknown ground counts as cut by it: the tolerance and a pixel, in units of the CRS.
    """

    boxes: Shapes
    unknown: Shapes
    reach: float
    edge: float

    def holds(self, shapes: Shapes) -> Mask:
        """Which shapes (N,) lie in it and are not cut by its edge."""
        inside = np.zeros(len(shapes), bool)
        for part in self._inner:
            inside |= shapely.covers(part, shapes)
        near = np.flatnonzero(inside)
        cut, _ = self._tree.query(shapes[near], predicate="dwithin", distance=self.edge)
        inside[near[cut]] = False
        return inside

    def clipped(self, lines: Shapes) -> Shapes:
        """The parts of lines (N,) that lie in it, away from its edge."""
        parts = np.asarray(shapely.intersection(lines, shapely.union_all(self._inner)), object)
        numbers, near = self._tree.query(parts, predicate="dwithin", distance=self.edge)
        cut, which = np.unique(numbers, return_inverse=True)
        order = np.argsort(which, kind="stable")
        around = shapely.geometrycollections(shapely.buffer(self.unknown[near[order]], self.edge), indices=which[order])
        parts[cut] = shapely.difference(parts[cut], shapely.union_all(around.reshape(-1, 1), axis=1))
        return parts

    @cached_property
    def _inner(self) -> Shapes:
        """The boxes as one, in its connected parts (P,), without the strip along its edge."""
        whole = shapely.buffer(shapely.union_all(self.boxes), -self.edge, join_style="mitre")
        parts = shapely.get_parts(whole)
        shapely.prepare(parts)
        return np.asarray(parts, object)

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.unknown)


def common_ground(both: Both, unknown: Shapes) -> CommonGround:
    """The common ground of both sides; `unknown`: polygons where one has no data, in the grid's CRS."""
    boxes = np.array([shapely.box(*both.grid.bounds(w)) for w in both.windows], object)
    return CommonGround(boxes, unknown, both.reach, both.reach + both.grid.side)

"""Districts: groups of sheets so far from all others that no feature can reach across."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from rasterio.windows import Window
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["districts_of"]


def districts_of(windows: Sequence[Window], apart: float) -> list[list[int]]:
    """Numbers of the windows of each group: within it each is less than `apart` pixels from another one, groups are farther from each other.

    In the order of each group's first window.
    """
    boxes = shapely.box(
        *np.array([[w.col_off, w.row_off, w.col_off + w.width, w.row_off + w.height] for w in windows], float).T
    )
    i, j = shapely.STRtree(boxes).query(boxes, predicate="dwithin", distance=apart)
    near = coo_array((np.ones(len(i), bool), (i, j)), shape=(len(boxes), len(boxes)))
    group = connected_components(near, directed=False)[1]
    firsts = dict.fromkeys(group.tolist())
    return [np.flatnonzero(group == g).tolist() for g in firsts]

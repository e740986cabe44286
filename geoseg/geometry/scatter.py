"""Sheets scattered over so much ground that one raster over all of them would be nearly empty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.geometry.grid import bounding
from geoseg.geometry.sectors import districts_of

__all__ = ["FILLED", "HUGE", "pictured", "touching_groups"]

HUGE, FILLED = 4_000_000_000, 0.01
"""One raster has to do unless it had more pixels than this, of which less than this share is covered by sheets."""


def touching_groups(windows: Sequence[Window]) -> list[Window]:
    """What each raster of a run covers: one window around all, or one around each group of touching windows.

    Groups come where one raster would be huge and nearly empty, from north to south and west to east.
    """
    if not windows:
        return []
    whole = bounding(list(windows))
    pixels = int(whole.width) * int(whole.height)
    if pixels <= HUGE or _covered(windows) >= FILLED * pixels:
        return [whole]
    groups = [bounding([windows[i] for i in group]) for group in districts_of(windows, 0.5)]
    return sorted(groups, key=lambda w: (w.row_off, w.col_off))


def _covered(windows: Sequence[Window]) -> float:
    """Pixels in one window at least: how photos were cut into sheets does not count."""
    left, top, wide, high = np.array([[w.col_off, w.row_off, w.width, w.height] for w in windows], float).T
    return float(shapely.union_all(shapely.box(left, top, left + wide, top + high)).area)


def pictured(windows: Sequence[Window]) -> Window:
    """What a picture of a run shows: all of it, or the largest group where sheets are scattered."""
    return max(touching_groups(windows), key=lambda w: int(w.width) * int(w.height))

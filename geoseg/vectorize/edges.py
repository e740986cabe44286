"""Edges that one piece of a coverage has alone: what tells if pieces that were made one by one fit together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.arrays import Ints, Shapes
from geoseg.vectorize.coverage import FINE

__all__ = ["cancel_shared", "fit_within", "open_edges"]


def open_edges(polygons: Shapes, window: Window) -> Ints:
    """Edges (E, 4) that one polygon of a coverage has alone: x, y, x, y on the fine grid, lesser end first.

    Pieces of one coverage that are made one by one fit where each of these edges comes twice (`fit_within`).

    Args:
        polygons: in pixel corners of a window.
        window: on the grid.
    """
    if not len(polygons):
        return np.zeros((0, 4), np.int64)
    rings = shapely.get_rings(polygons)
    ring = np.repeat(np.arange(len(rings)), shapely.get_num_coordinates(rings))
    xy = shapely.get_coordinates(rings)
    fine = np.rint(xy * FINE).astype(np.int64) + FINE * np.array([int(window.col_off), int(window.row_off)])
    inner = ring[:-1] == ring[1:]
    return _once(np.column_stack([fine[:-1], fine[1:]])[inner])


def cancel_shared(parts: Sequence[Ints]) -> Ints:
    """Edges of several pieces without those that two of them share."""
    return _once(np.concatenate([np.zeros((0, 4), np.int64), *parts]))


def _once(edges: Ints) -> Ints:
    """Edges that come an odd number of times, in whatever direction."""
    swap = (edges[:, 0] > edges[:, 2]) | ((edges[:, 0] == edges[:, 2]) & (edges[:, 1] > edges[:, 3]))
    edges[swap] = edges[swap][:, [2, 3, 0, 1]]
    edges = edges[np.lexsort(edges.T[::-1])]
    heads = np.flatnonzero((np.diff(edges, axis=0, prepend=edges[:1] - 1) != 0).any(1))
    counts = np.diff(np.append(heads, len(edges)))
    return np.asarray(edges[heads[counts % 2 == 1]], np.int64)


def fit_within(parts: Sequence[Ints], frame: shapely.Geometry) -> bool:
    """Tell if pieces of a coverage fit: without the edges that two share, exactly the frame of the whole is left.

    Args:
        parts: `open_edges` of each piece.
        frame: lines along rows and columns, in pixel corners of the grid.
    """
    left = cancel_shared(parts) / FINE
    lines = shapely.linestrings(left.reshape(-1, 2, 2))
    shapely.prepare(frame)
    return bool(shapely.covers(frame, lines).all()) and abs(float(shapely.length(lines).sum()) - frame.length) < 1e-6

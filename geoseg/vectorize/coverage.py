"""A coverage, polygons of all classes that share their edges: its checks, whole and piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.arrays import Doubles, Ints, Mask, Shapes

__all__ = [
    "FINE",
    "CoverageFigures",
    "cancel_shared",
    "coverage_figures",
    "fit_within",
    "open_edges",
    "straight_on",
    "walls_straight_on",
]

FINE = 64
"""Lines meet on a grid of this many steps for a unit of the coordinates (a pixel): 0.8 mm at 5 cm."""


@dataclass(frozen=True)
class CoverageFigures:
    """Checks of a coverage: counts, areas in the square of its units, and whether all edges match."""

    polygons: int
    vertices: int
    invalid: int
    gap: float
    overlap: float
    matched: bool

    def clean(self, area: float) -> bool:
        """Tell if polygons of such an area have no gap, no overlap and no invalid one among them, but for rounding."""
        return self.matched and not self.invalid and max(self.gap, self.overlap) <= 1e-6 * area


def coverage_figures(polygons: Shapes, area: float) -> CoverageFigures:
    """Gap and overlap of polygons (N,) that should tile a known area, invalid ones, and whether their edges match."""
    invalid = int((~shapely.is_valid(polygons)).sum())
    total = float(shapely.area(polygons).sum())
    matched = bool(shapely.coverage_is_valid(polygons))
    union = float(shapely.area(shapely.union_all(polygons))) if invalid or not matched else total
    vertices = int(shapely.get_num_coordinates(polygons).sum())
    return CoverageFigures(len(polygons), vertices, invalid, max(0.0, area - union), max(0.0, total - union), matched)


def straight_on(polygons: Shapes) -> Shapes:
    """Polygons, each by itself, without the vertices on its straight edges (those where only its neighbours meet)."""
    return np.asarray(shapely.simplify(polygons, 2 / FINE))


def walls_straight_on(polygons: Shapes, families: Ints) -> Shapes:
    """`straight_on`, where polygons (N,) of one family keep their common walls, point by point.

    `families` (N,): polygons of one number are a family, -1 are those alone.
    """
    out = straight_on(polygons)
    for family in np.unique(families[families >= 0]):
        mine = families == family
        out[mine] = _between_walls(polygons[mine])
    return out


def _between_walls(polygons: Shapes) -> Shapes:
    """Polygons of one family; only points that no two of them share are looked at."""
    xy, polygon = shapely.get_coordinates(polygons, return_index=True)
    points, number = np.unique(xy, axis=0, return_inverse=True)
    pairs = np.unique(np.column_stack([number.ravel(), polygon]), axis=0)
    shared = (np.bincount(pairs[:, 0], minlength=len(points)) > 1)[number.ravel()]
    rings, owner = shapely.get_rings(polygons, return_index=True)
    ends = np.cumsum(shapely.get_num_coordinates(rings))
    new = [_straight_ring(xy[a : b - 1], shared[a : b - 1]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    parts = [np.flatnonzero(owner == i) for i in range(len(polygons))]
    thin = np.array([shapely.Polygon(new[p[0]], [new[k] for k in p[1:]]) for p in parts], object)
    return np.where(shapely.is_valid(thin), thin, polygons)  # a spike narrower than the tolerance stays as it is


def _straight_ring(xy: Doubles, kept: Mask) -> shapely.LinearRing:
    """A ring of points (N, 2), each once, without those on straight edges that need not be kept."""
    at = np.flatnonzero(kept)
    if not len(at):
        return shapely.simplify(shapely.LinearRing(xy), 2 / FINE)
    xy, at = np.roll(xy, -at[0], axis=0), at - at[0]
    closed = np.concatenate([xy, xy[:1]])
    arcs = [closed[a : b + 1] for a, b in zip(at, [*at[1:], len(xy)], strict=True)]
    thin = [
        a if len(a) < 3 else shapely.get_coordinates(shapely.simplify(shapely.LineString(a), 2 / FINE)) for a in arcs
    ]
    return shapely.LinearRing(np.concatenate([a[:-1] for a in thin]))


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

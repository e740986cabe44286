"""A coverage: polygons of all classes that share their edges; checks of it, and new outlines set into it with the neighbours following.

coverage + squared outlines -> one drawing of all lines, noded on a fine grid (snap rounding: Hobby 1999) -> faces -> each face to the new outline it lies in,
else to the polygon it lay in; what a new outline gives up goes to the neighbour with the longest common edge -> faces of one owner joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.windows import Window
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geoseg.arrays import Doubles, Ints, Shapes

__all__ = [
    "FINE",
    "CoverageFigures",
    "Placed",
    "cancelled",
    "coverage_figures",
    "fit_within",
    "open_edges",
    "set_into",
    "straight_on",
]


FINE = 64
"""Lines meet on a grid of this many steps for a unit of the coordinates (a pixel): 0.8 mm at 5 cm."""


@dataclass(frozen=True)
class CoverageFigures:
    """Checks of a coverage, areas in the square of its units."""

    polygons: int
    vertices: int
    invalid: int
    gap: float
    overlap: float
    matched: bool


def coverage_figures(polygons: Shapes, area: float) -> CoverageFigures:
    """Gap and overlap of polygons that should tile a known area, whether all are valid, and whether their edges match."""
    invalid = int((~shapely.is_valid(polygons)).sum())
    total = float(shapely.area(polygons).sum())
    matched = bool(shapely.coverage_is_valid(polygons))
    union = float(shapely.area(shapely.union_all(polygons))) if invalid or not matched else total
    vertices = int(shapely.get_num_coordinates(polygons).sum())
    return CoverageFigures(len(polygons), vertices, invalid, max(0.0, area - union), max(0.0, total - union), matched)


@dataclass(frozen=True)
class Placed:
    """Polygons of a changed coverage: `owner` is the number of the polygon that each one comes from, `part` counts those of one owner, largest first."""

    polygons: Shapes
    owner: Ints
    part: Ints


def set_into(
    polygons: Shapes,
    new: dict[int, shapely.Polygon],
    least: Doubles,
    fixed: npt.NDArray[np.bool_],
    swallowed: float = 0.0,
) -> Placed:
    """A coverage with some of its polygons replaced: the new outlines win, neighbours follow, still no gap and no overlap.

    A neighbour that would lose more than half of its ground keeps it, or all of it goes where it is small (a speck on a roof); `fixed` polygons (no
    data) neither lose nor gain.

    Args:
        polygons: valid coverage, in pixel corners.
        new: new outline by number of the polygon; where two of them overlap the first keeps the ground.
        least: smallest area by polygon: what is cut off below it goes to a neighbour.
        fixed: which polygons stay exactly as they are.
        swallowed: area below which a neighbour that would lose more than half goes altogether.
    """
    count = np.arange(len(polygons))
    if not new:
        return Placed(polygons, count, np.zeros(len(polygons), np.int64))
    numbers = np.array(sorted(new))
    shapes = np.array([new[i] for i in numbers], object)
    near = shapely.STRtree(polygons).query(shapes, predicate="dwithin", distance=4 / FINE)[1]
    affected = np.union1d(near, numbers)
    touched = shapely.STRtree(polygons).query(polygons[numbers], predicate="intersects")[1]
    affected = np.union1d(affected, touched)
    faces = _faces(np.concatenate([polygons[affected], shapes]))
    points = shapely.point_on_surface(faces)
    before = _holder(polygons[affected], points, affected)
    inside = _holder(shapes, points, numbers)
    known = before >= 0  # others are holes: ground of polygons that nothing happens to
    faces, before, inside = faces[known], before[known], inside[known]
    owner = _owners(shapely.area(faces), before, inside, shapely.area(polygons), fixed, swallowed)
    pairs, lengths = _neighbours(faces)
    owner = _given_away(owner, pairs, lengths, numbers, fixed)
    owner, component = _without_crumbs(owner, pairs, lengths, shapely.area(faces), least, numbers, fixed)
    joined, owners, parts = _joined(faces, owner, component)
    rest = np.setdiff1d(count, affected)
    everything = np.concatenate([joined, polygons[rest]])
    owners, parts = np.concatenate([owners, rest]), np.concatenate([parts, np.zeros(len(rest), np.int64)])
    order = np.lexsort((parts, owners))
    corners = np.unique(_numbers(shapely.get_coordinates(np.concatenate([polygons, shapes]))))
    return Placed(_straightened(everything[order], corners), owners[order], parts[order])


def _faces(polygons: Shapes) -> Shapes:
    """All faces of the drawing of their outlines, noded on the fine grid."""
    lines = shapely.union_all(shapely.boundary(polygons), grid_size=1 / FINE)
    return np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(lines))))


def _holder(shapes: Shapes, points: Shapes, numbers: Ints) -> Ints:
    """Number of the first shape that holds each point; -1 for none."""
    found = np.full(len(points), -1, np.int64)
    i, k = shapely.STRtree(shapes).query(points, predicate="intersects")
    order = np.argsort(numbers[k], kind="stable")[::-1]
    found[i[order]] = numbers[k[order]]
    return found


def _owners(
    area: Doubles, before: Ints, inside: Ints, whole: Doubles, fixed: npt.NDArray[np.bool_], swallowed: float
) -> Ints:
    """Owner of each face; -1 where its polygon gave it up."""
    taken = (inside >= 0) & (inside != before)
    lost = np.zeros(len(whole))
    np.add.at(lost, before[taken], area[taken])
    changed = np.zeros(len(whole), bool)
    changed[inside[inside >= 0]] = True
    outvoted = (lost > 0.5 * whole) & ~changed & ~fixed
    gone = outvoted & (whole < swallowed)
    keeps = fixed | (outvoted & ~gone)
    owner = np.where(inside >= 0, inside, np.where((changed | gone)[before], -1, before))
    return np.asarray(np.where(keeps[before], before, owner), np.int64)


def _neighbours(faces: Shapes) -> tuple[Ints, Doubles]:
    """Pairs of faces that share an edge (N, 2), and the length of the edge; an edge comes once for each of its segments."""
    xy, ring = shapely.get_coordinates(shapely.get_rings(faces)), _ring_of(faces)
    start, end = xy[:-1], xy[1:]
    inner = ring[1][:-1] == ring[1][1:]
    owner = ring[0][:-1][inner]
    a, b = np.rint(start[inner] * FINE).astype(np.int64), np.rint(end[inner] * FINE).astype(np.int64)
    swap = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] > b[:, 1]))
    a[swap], b[swap] = b[swap], a[swap].copy()
    order = np.lexsort((b[:, 1], b[:, 0], a[:, 1], a[:, 0]))
    key = np.column_stack([a, b])[order]
    same = (key[1:] == key[:-1]).all(1)
    first, second = order[:-1][same], order[1:][same]
    pairs = np.column_stack([owner[first], owner[second]])
    lengths = np.hypot(*(a[first] - b[first]).T.astype(float)) / FINE
    return pairs, lengths


def _ring_of(faces: Shapes) -> tuple[Ints, Ints]:
    """Face and ring of each coordinate."""
    rings, face = shapely.get_rings(faces, return_index=True)
    sizes = shapely.get_num_coordinates(rings)
    return np.repeat(face, sizes), np.repeat(np.arange(len(rings)), sizes)


def _given_away(owner: Ints, pairs: Ints, lengths: Doubles, new: Ints, fixed: npt.NDArray[np.bool_]) -> Ints:
    """Faces without an owner to the neighbour with the longest common edge: one that did not get a new outline where there is one."""
    owner = owner.copy()
    last = False
    while (owner < 0).any():
        both = np.concatenate([pairs, pairs[:, ::-1]])
        length = np.concatenate([lengths, lengths])
        wanted = (owner[both[:, 0]] < 0) & (owner[both[:, 1]] >= 0)
        face, taker, length = both[wanted, 0], owner[both[wanted, 1]], length[wanted]
        able = ~fixed[taker] & (last | ~np.isin(taker, new))
        face, taker, length = face[able], taker[able], length[able]
        if not len(face):
            if last:
                raise ValueError("faces without a neighbour in a coverage")
            last = True
            continue
        key, group = np.unique(np.column_stack([face, taker]), axis=0, return_inverse=True)
        total = np.bincount(group.ravel(), length)
        order = np.lexsort((key[:, 1], -total, key[:, 0]))
        best = order[np.diff(key[order, 0], prepend=-1) != 0]
        owner[key[best, 0]] = key[best, 1]
        last = False
    return owner


def _components(owner: Ints, pairs: Ints) -> Ints:
    """Connected faces of one owner share a number."""
    same = pairs[owner[pairs[:, 0]] == owner[pairs[:, 1]]]
    graph = coo_array((np.ones(len(same), np.int8), (same[:, 0], same[:, 1])), shape=(len(owner), len(owner)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _without_crumbs(
    owner: Ints, pairs: Ints, lengths: Doubles, area: Doubles, least: Doubles, new: Ints, fixed: npt.NDArray[np.bool_]
) -> tuple[Ints, Ints]:
    """(owner, component) of each face after small pieces that were cut off went to a neighbour."""
    for _ in range(8):
        component = _components(owner, pairs)
        size = np.bincount(component, area)
        of = np.zeros(len(size), np.int64)
        of[component] = owner
        largest = np.zeros(len(least))
        np.maximum.at(largest, of, size)
        crumb = (size < largest[of]) & (size < least[of]) & ~fixed[of]
        if not crumb.any():
            break
        owner = _given_away(np.where(crumb[component], -1, owner), pairs, lengths, new, fixed)
    return owner, _components(owner, pairs)


def _joined(faces: Shapes, owner: Ints, component: Ints) -> tuple[Shapes, Ints, Ints]:
    """(polygon, owner, part) of each component; parts of one owner are counted from the largest on."""
    order = np.lexsort((component, owner))
    heads = np.flatnonzero(np.diff(component[order], prepend=-1))
    groups = np.split(faces[order], heads[1:])
    polygons = np.array([g[0] if len(g) == 1 else shapely.coverage_union_all(g) for g in groups], object)
    owners = owner[order][heads]
    position = np.lexsort((shapely.get_coordinates(shapely.centroid(polygons)).sum(1), -shapely.area(polygons), owners))
    polygons, owners = polygons[position], owners[position]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    parts = np.arange(len(owners)) - np.repeat(starts, np.diff(np.append(starts, len(owners))))
    return _pieces(polygons, owners, parts)


def _pieces(polygons: Shapes, owners: Ints, parts: Ints) -> tuple[Shapes, Ints, Ints]:
    """Polygons alone: what meets itself in a corner only comes as several."""
    if all(p.geom_type == "Polygon" for p in polygons):
        return polygons, owners, parts
    single, index = shapely.get_parts(polygons, return_index=True)
    owners = owners[index]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    return single, owners, np.arange(len(owners)) - np.repeat(starts, np.diff(np.append(starts, len(owners))))


def _numbers(xy: Doubles) -> Ints:
    """One number for each point of the fine grid."""
    fine = np.rint(xy * FINE).astype(np.int64)
    return np.asarray(fine[:, 0] * (1 << 32) + fine[:, 1], np.int64)


def _straightened(polygons: Shapes, known: Ints) -> Shapes:
    """Without the points that noding added and that nothing meets in any more: all sides of an edge lose the same ones."""
    kind, xy, (rings, parts) = shapely.to_ragged_array(polygons)
    keys = _numbers(xy)
    added = ~np.isin(keys, known)
    if not added.any():
        return polygons
    points, number = np.unique(keys, return_inverse=True)
    before, after = np.arange(len(xy)) - 1, np.arange(len(xy)) + 1
    before[rings[:-1]] = rings[1:] - 2  # a ring's last point is its first
    after[rings[1:] - 1] = rings[:-1] + 1
    low, high = np.minimum(number[before], number[after]), np.maximum(number[before], number[after])
    lowest, highest = np.full(len(points), len(points)), np.zeros(len(points), np.int64)
    np.minimum.at(lowest, number, low)
    np.maximum.at(highest, number, high)
    step = xy[after] - xy[before]
    off = np.abs(step[:, 0] * (xy[:, 1] - xy[before, 1]) - step[:, 1] * (xy[:, 0] - xy[before, 0]))
    on_line = (off <= np.hypot(*step.T) * 2 / FINE) & (((xy - xy[before]) * (xy[after] - xy)).sum(1) > 0)
    passing = np.ones(len(points), bool)  # two edges meet here and no more, and they go straight on
    np.logical_and.at(passing, number, added & on_line & (low == lowest[number]) & (high == highest[number]))
    ring = np.repeat(np.arange(len(rings) - 1), np.diff(rings))
    while passing.any():
        drop = passing[number]
        inner = ~drop
        inner[rings[1:] - 1] = False  # the last point is the first
        flat = (np.bincount(ring[inner], minlength=len(rings) - 1) < 3)[ring] & drop
        if not flat.any():
            return _closed(kind, xy, ring, drop, parts)
        passing[number[flat]] = False  # of a sliver that would be left with two corners
    return polygons


def _closed(kind: shapely.GeometryType, xy: Doubles, ring: Ints, drop: npt.NDArray[np.bool_], parts: Ints) -> Shapes:
    """Polygons of the points that stay; rings whose first point went are closed anew."""
    xy, ring = xy[~drop], ring[~drop]
    heads = np.flatnonzero(np.diff(ring, prepend=-1))
    tails = np.append(heads[1:], len(ring)) - 1
    open_ends = (xy[heads] != xy[tails]).any(1)
    xy = np.insert(xy, tails[open_ends] + 1, xy[heads[open_ends]], axis=0)
    sizes = np.diff(np.append(heads, len(ring))) + open_ends
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return np.asarray(shapely.from_ragged_array(kind, xy, (offsets, parts)))


def straight_on(polygons: Shapes) -> Shapes:
    """Polygons, each by itself, without the vertices on its straight edges (those where only its neighbours meet)."""
    return np.asarray(shapely.simplify(polygons, 2 / FINE))


def open_edges(polygons: Shapes, window: Window) -> Ints:
    """Edges that only one of some polygons of a coverage has, as (x, y, x, y) on the fine grid of the whole, lesser end first.

    Pieces of one coverage that are made one by one fit where each of these comes twice (`fit_within`).

    Args:
        polygons: in pixel corners of a window.
        window: on the grid.
    """
    if not len(polygons):
        return np.zeros((0, 4), np.int64)
    xy = shapely.get_coordinates(shapely.get_rings(polygons))
    ring = _ring_of(polygons)[1]
    fine = np.rint(xy * FINE).astype(np.int64) + FINE * np.array([int(window.col_off), int(window.row_off)])
    inner = ring[:-1] == ring[1:]
    return _once(np.column_stack([fine[:-1], fine[1:]])[inner])


def cancelled(parts: Sequence[Ints]) -> Ints:
    """Edges of several pieces without those that two of them share."""
    return _once(np.concatenate([np.zeros((0, 4), np.int64), *parts]))


def _once(edges: Ints) -> Ints:
    """Edges that come once, however they are directed, or three times, and so on."""
    swap = (edges[:, 0] > edges[:, 2]) | ((edges[:, 0] == edges[:, 2]) & (edges[:, 1] > edges[:, 3]))
    edges[swap] = edges[swap][:, [2, 3, 0, 1]]
    edges = edges[np.lexsort(edges.T[::-1])]
    heads = np.flatnonzero((np.diff(edges, axis=0, prepend=edges[:1] - 1) != 0).any(1))
    counts = np.diff(np.append(heads, len(edges)))
    return np.asarray(edges[heads[counts % 2 == 1]], np.int64)


def fit_within(parts: Sequence[Ints], frame: shapely.Geometry) -> bool:
    """Whether pieces of a coverage fit: what is left when their equal edges (`open_edges`) cancel is the frame of the whole, all of it.

    Args:
        parts: of each piece.
        frame: lines along rows and columns, in pixel corners of the grid.
    """
    left = cancelled(parts) / FINE
    lines = shapely.linestrings(left.reshape(-1, 2, 2))
    shapely.prepare(frame)
    return bool(shapely.covers(frame, lines).all()) and abs(float(shapely.length(lines).sum()) - frame.length) < 1e-6

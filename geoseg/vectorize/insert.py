"""New outlines set into a coverage: the neighbours follow, and there is still no gap and no overlap.

coverage + squared outlines -> one drawing of all lines, noded on a fine grid (snap rounding: Hobby 1999) -> faces ->
each face to the new outline it lies in, else to the polygon it lay in; what a new outline gives up goes to the
neighbour with the longest common edge -> faces of one owner joined
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geoseg.arrays import Doubles, Ints, Mask, Shapes
from geoseg.vectorize.coverage import FINE

__all__ = ["Keep", "Placed", "set_into"]


@dataclass(frozen=True)
class Placed:
    """Polygons (N,) of a changed coverage.

    `owner` (N,) is the number of the polygon that each one comes from; `part` (N,) counts those of one owner, largest
    first.
    """

    polygons: Shapes
    owner: Ints
    part: Ints


@dataclass(frozen=True)
class Keep:
    """What holds of the polygons (N,) when new outlines come.

    `least`: smallest area by polygon: what is cut off below it goes to a neighbour. `fixed`: whether each polygon stays
    exactly as it is (no data). `swallowed`: area below which a neighbour that would lose more than half goes
    altogether. `families`: polygons of one number, 0 or more, keep their common walls: ground between their new
    outlines stays in the family; -1 for all others.
    """

    least: Doubles
    fixed: Mask
    swallowed: float
    families: Ints


@dataclass(frozen=True)
class _Rules:
    """Numbers of the polygons with new outlines; what else holds."""

    new: Ints
    keep: Keep


@dataclass(frozen=True)
class _Faces:
    """Faces of a drawing, pairs (E, 2) of them that share an edge, and the length of each edge.

    An edge comes once for each of its segments.
    """

    shapes: Shapes
    area: Doubles
    pairs: Ints
    lengths: Doubles


def set_into(polygons: Shapes, new: dict[int, shapely.Polygon], keep: Keep) -> Placed:
    """Replace polygons of a coverage: new outlines win, neighbours follow, and there is still no gap and no overlap.

    A neighbour that would lose more than half of its ground keeps it, or all of it goes where it is small (a speck on
    a roof); `fixed` polygons (no data) neither lose nor gain.

    Args:
        polygons: valid coverage, in pixel corners.
        new: new outline by number of the polygon; where two of them overlap the first keeps the ground.
        keep: what holds of the polygons.

    Raises:
        ValueError: a face has no neighbour that could take it.
    """
    count = np.arange(len(polygons))
    if not new:
        return Placed(polygons, count, np.zeros(len(polygons), np.int64))
    rules = _Rules(np.array(sorted(new)), keep)
    shapes = np.array([new[i] for i in rules.new], object)
    affected = _affected(polygons, shapes, rules.new)
    faces, before, inside = _drawing(polygons, shapes, affected, rules.new)
    owner = _give_away(_owners(faces.area, before, inside, shapely.area(polygons), rules), before, faces, rules)
    owner, component = _without_crumbs(owner, faces, rules)
    changed = _join(faces.shapes, owner, component)
    rest = np.setdiff1d(count, affected)
    everything = np.concatenate([changed.polygons, polygons[rest]])
    owners = np.concatenate([changed.owner, rest])
    parts = np.concatenate([changed.part, np.zeros(len(rest), np.int64)])
    order = np.lexsort((parts, owners))
    corners = np.unique(_numbers(shapely.get_coordinates(np.concatenate([polygons, shapes]))))
    return Placed(_straighten(everything[order], corners), owners[order], parts[order])


def _affected(polygons: Shapes, shapes: Shapes, new: Ints) -> Ints:
    """Numbers of the polygons that new outlines, or the polygons they stand for, come near."""
    near = shapely.STRtree(polygons).query(shapes, predicate="dwithin", distance=4 / FINE)[1]
    touched = shapely.STRtree(polygons).query(polygons[new], predicate="intersects")[1]
    return np.union1d(np.union1d(near, new), touched)


def _drawing(polygons: Shapes, shapes: Shapes, affected: Ints, new: Ints) -> tuple[_Faces, Ints, Ints]:
    """Faces of polygons and new outlines; the polygon that each lay in, the new outline that it lies in or -1."""
    faces = _polygonize(np.concatenate([polygons[affected], shapes]))
    points = shapely.point_on_surface(faces)
    before = _holder(polygons[affected], points, affected)
    inside = _holder(shapes, points, new)
    known = before >= 0  # others are holes: ground of polygons that nothing happens to
    faces = faces[known]
    return _Faces(faces, shapely.area(faces), *_neighbours(faces)), before[known], inside[known]


def _polygonize(polygons: Shapes) -> Shapes:
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


def _owners(area: Doubles, before: Ints, inside: Ints, whole: Doubles, rules: _Rules) -> Ints:
    """Owner of each face; -1 where its polygon gave it up."""
    fixed = rules.keep.fixed
    taken = (inside >= 0) & (inside != before)
    lost = np.zeros(len(whole))
    np.add.at(lost, before[taken], area[taken])
    changed = np.zeros(len(whole), bool)
    changed[inside[inside >= 0]] = True
    outvoted = (lost > 0.5 * whole) & ~changed & ~fixed
    gone = outvoted & (whole < rules.keep.swallowed)
    keeps = fixed | (outvoted & ~gone)
    owner = np.where(inside >= 0, inside, np.where((changed | gone)[before], -1, before))
    return np.asarray(np.where(keeps[before], before, owner), np.int64)


def _neighbours(faces: Shapes) -> tuple[Ints, Doubles]:
    """Pairs of faces that share an edge (E, 2), and the length of the edge.

    An edge comes once for each of its segments.
    """
    rings, face = shapely.get_rings(faces, return_index=True)
    sizes = shapely.get_num_coordinates(rings)
    ring = np.repeat(np.arange(len(rings)), sizes)
    xy = shapely.get_coordinates(rings)
    start, end = xy[:-1], xy[1:]
    inner = ring[:-1] == ring[1:]
    owner = np.repeat(face, sizes)[:-1][inner]
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


def _give_away(owner: Ints, before: Ints, faces: _Faces, rules: _Rules) -> Ints:
    """Owners of all faces: one without goes to the neighbour with the longest common edge.

    New outlines take only what no old one borders on, or what another one of their family gave up. `before`: the
    polygon that each face lay in.
    """
    owner, families = owner.copy(), rules.keep.families
    both, lengths = np.concatenate([faces.pairs, faces.pairs[:, ::-1]]), np.concatenate([faces.lengths, faces.lengths])
    last = False
    while (owner < 0).any():
        wanted = (owner[both[:, 0]] < 0) & (owner[both[:, 1]] >= 0)
        face, taker, length = both[wanted, 0], owner[both[wanted, 1]], lengths[wanted]
        giver = before[face]
        kin = (families[taker] >= 0) & (families[taker] == families[giver]) & (taker != giver)
        able = ~rules.keep.fixed[taker] & (last | kin | ~np.isin(taker, rules.new))
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


def _without_crumbs(owner: Ints, faces: _Faces, rules: _Rules) -> tuple[Ints, Ints]:
    """Owner and component of each face after small pieces that were cut off went to a neighbour."""
    for _ in range(8):
        component = _components(owner, faces.pairs)
        size = np.bincount(component, faces.area)
        of = np.zeros(len(size), np.int64)
        of[component] = owner
        largest = np.zeros(len(rules.keep.least))
        np.maximum.at(largest, of, size)
        crumb = (size < largest[of]) & (size < rules.keep.least[of]) & ~rules.keep.fixed[of]
        if not crumb.any():
            break
        owner = _give_away(np.where(crumb[component], -1, owner), owner, faces, rules)
    return owner, _components(owner, faces.pairs)


def _join(faces: Shapes, owner: Ints, component: Ints) -> Placed:
    """Polygon, owner and part of each component; parts of one owner are counted from the largest on."""
    order = np.lexsort((component, owner))
    heads = np.flatnonzero(np.diff(component[order], prepend=-1))
    groups = np.split(faces[order], heads[1:])
    polygons = np.array([g[0] if len(g) == 1 else shapely.coverage_union_all(g) for g in groups], object)
    owners = owner[order][heads]
    position = np.lexsort((shapely.get_coordinates(shapely.centroid(polygons)).sum(1), -shapely.area(polygons), owners))
    polygons, owners = polygons[position], owners[position]
    if any(p.geom_type != "Polygon" for p in polygons):  # those that meet themselves in a corner only
        polygons, index = shapely.get_parts(polygons, return_index=True)
        owners = owners[index]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    parts = np.arange(len(owners)) - np.repeat(starts, np.diff(np.append(starts, len(owners))))
    return Placed(polygons, owners, parts)


def _numbers(xy: Doubles) -> Ints:
    """One number for each point of the fine grid."""
    fine = np.rint(xy * FINE).astype(np.int64)
    return np.asarray(fine[:, 0] * (1 << 32) + fine[:, 1], np.int64)


def _straighten(polygons: Shapes, known: Ints) -> Shapes:
    """Drop the points that noding added and that nothing meets in any more: all sides of an edge lose the same ones."""
    kind, xy, (rings, parts) = shapely.to_ragged_array(polygons)
    keys = _numbers(xy)
    added = ~np.isin(keys, known)
    if not added.any():
        return polygons
    points, number = np.unique(keys, return_inverse=True)
    passing = _passing(xy, rings, number, added, len(points))
    ring = np.repeat(np.arange(len(rings) - 1), np.diff(rings))
    while passing.any():
        drop = passing[number]
        inner = ~drop
        inner[rings[1:] - 1] = False  # the last point is the first
        flat = (np.bincount(ring[inner], minlength=len(rings) - 1) < 3)[ring] & drop
        if not flat.any():
            return _close(kind, xy[~drop], ring[~drop], parts)
        passing[number[flat]] = False  # of a sliver that would be left with two corners
    return polygons


def _passing(xy: Doubles, rings: Ints, number: Ints, added: Mask, points: int) -> Mask:
    """Tell for each point (by number) if it was added, two edges meet in it and no more, and they go straight on."""
    before, after = np.arange(len(xy)) - 1, np.arange(len(xy)) + 1
    before[rings[:-1]] = rings[1:] - 2  # a ring's last point is its first
    after[rings[1:] - 1] = rings[:-1] + 1
    low, high = np.minimum(number[before], number[after]), np.maximum(number[before], number[after])
    lowest, highest = np.full(points, points), np.zeros(points, np.int64)
    np.minimum.at(lowest, number, low)
    np.maximum.at(highest, number, high)
    step = xy[after] - xy[before]
    off = np.abs(step[:, 0] * (xy[:, 1] - xy[before, 1]) - step[:, 1] * (xy[:, 0] - xy[before, 0]))
    on_line = (off <= np.hypot(*step.T) * 2 / FINE) & (((xy - xy[before]) * (xy[after] - xy)).sum(1) > 0)
    passing = np.ones(points, bool)
    np.logical_and.at(passing, number, added & on_line & (low == lowest[number]) & (high == highest[number]))
    return passing


def _close(kind: shapely.GeometryType, xy: Doubles, ring: Ints, parts: Ints) -> Shapes:
    """Polygons of the points that stayed; rings whose first point went are closed anew."""
    heads = np.flatnonzero(np.diff(ring, prepend=-1))
    tails = np.append(heads[1:], len(ring)) - 1
    open_ends = (xy[heads] != xy[tails]).any(1)
    xy = np.insert(xy, tails[open_ends] + 1, xy[heads[open_ends]], axis=0)
    sizes = np.diff(np.append(heads, len(ring))) + open_ends
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return np.asarray(shapely.from_ragged_array(kind, xy, (offsets, parts)))

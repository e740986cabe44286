"""A coverage: polygons of all classes that share their edges, without small regions, simplified with no gap and no overlap.

classes -> regions under their minimum mapping unit to the neighbour with the longest common edge -> exact outlines with a vertex wherever
three regions meet -> shared edges simplified once (Visvalingam, Whyatt 1993, in `shapely.coverage_simplify`), in a fixed order.

Order is what makes the result independent of how the raster was cut: pixel stairs are full of equal triangles, and ties go by the order of
rings and polygons.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import shapely

from geoseg.vectorize.trace import Regions, label_regions

__all__ = ["CoverageFigures", "coverage_figures", "merge_small", "noded", "simplify_coverage"]

Bytes = npt.NDArray[np.uint8]
Shapes = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]


def merge_small(raster: Bytes, least: Mapping[int, float], *, skip: int) -> Bytes:
    """The raster (H, W) with regions below their minimum size given to the neighbour with the longest common edge.

    Smallest first; a region that grew by what it took counts with its new size; ties go to the neighbour that comes first in raster order.

    Args:
        raster: class values.
        least: smallest size in pixels by class value.
        skip: value that neither gives nor takes (no data); a small region with no other neighbour stays.
    """
    labels, pixels = label_regions(raster)
    flat, first = np.unique(labels.ravel(), return_index=True)
    values = raster.ravel()[first]
    size = pixels[flat].astype(np.float64)
    small = size < np.array([least.get(int(v), 0.0) for v in values])
    small &= values != skip
    if not small.any():
        return raster
    number = np.full(int(flat[-1]) + 1, -1, np.int64)
    number[flat] = np.arange(len(flat))
    edges = _common_edges(number[labels], small)
    new = _assigned(values.astype(np.int64), size, small, edges, least, skip)
    return np.asarray(new.astype(np.uint8)[number[labels]], np.uint8)


def _common_edges(ids: Ints, small: npt.NDArray[np.bool_]) -> dict[int, dict[int, int]]:
    """Pixel edges that each pair of regions shares, for pairs of which one is small."""
    keys, count = [], len(small)
    for a, b in ((ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])):
        differ = a != b
        first, second = a[differ], b[differ]
        wanted = small[first] | small[second]
        first, second = first[wanted], second[wanted]
        keys.append(
            np.minimum(first, second) * count + np.maximum(first, second)
        )  # one number for each pair: sorts fast
    packed, counts = np.unique(np.concatenate(keys), return_counts=True)
    found = np.column_stack([packed // count, packed % count])
    edges: dict[int, dict[int, int]] = {}
    for (a, b), n in zip(found.tolist(), counts.tolist(), strict=True):
        edges.setdefault(a, {})[b] = n
        edges.setdefault(b, {})[a] = n
    return edges


def _assigned(
    values: Ints,
    size: npt.NDArray[np.float64],
    small: npt.NDArray[np.bool_],
    edges: dict[int, dict[int, int]],
    least: Mapping[int, float],
    skip: int,
) -> Ints:
    """Class value of each region after all small ones went to a neighbour."""
    parent = np.arange(len(values))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    queue = [(float(size[i]), int(i)) for i in np.flatnonzero(small)]
    heapq.heapify(queue)
    while queue:
        amount, i = heapq.heappop(queue)
        if parent[i] != i or amount != size[i]:
            continue  # it went to another, or grew: a later entry counts
        common: dict[int, int] = {}
        for j, n in edges.get(i, {}).items():
            k = root(j)
            if k != i and values[k] != skip:
                common[k] = common.get(k, 0) + n
        if not common:
            continue
        taker = min(common, key=lambda k: (-common[k], k))
        parent[i] = taker
        size[taker] += size[i]
        mine = edges.setdefault(taker, {})
        for j, n in edges.pop(i, {}).items():
            mine[j] = mine.get(j, 0) + n
            edges.setdefault(j, {})[taker] = edges[j].get(taker, 0) + n if j in edges else n
        if size[taker] < least.get(int(values[taker]), 0.0):
            heapq.heappush(queue, (float(size[taker]), taker))
    return np.array([values[root(i)] for i in range(len(values))], np.int64)


@numba.njit(cache=True, nogil=True)
def _insert_nodes(xy, rings, raster):  # type: ignore[no-untyped-def]
    """Corner rings (N, 2) with a vertex added wherever the region beside an edge changes; (points, ring offsets)."""
    high, wide = raster.shape
    out = np.empty((2 * xy.shape[0] + 16, 2), np.float64)
    offsets = np.zeros(rings.shape[0], np.int64)
    n = 0
    for k in range(rings.shape[0] - 1):
        for i in range(rings[k], rings[k + 1]):
            if n + 2 >= out.shape[0]:
                grown = np.empty((2 * out.shape[0], 2), np.float64)
                grown[:n] = out[:n]
                out = grown
            x, y = int(xy[i, 0]), int(xy[i, 1])
            out[n, 0], out[n, 1] = x, y
            n += 1
            if i + 1 == rings[k + 1]:
                break
            tx, ty = int(xy[i + 1, 0]), int(xy[i + 1, 1])
            dx, dy = np.sign(tx - x), np.sign(ty - y)
            while x != tx or y != ty:
                x += dx
                y += dy
                if x == tx and y == ty:
                    break
                if dx != 0:  # pixels left and right of the point, above and below the edge
                    above = y > 0 and raster[y - 1, x - 1] != raster[y - 1, x]
                    below = y < high and raster[y, x - 1] != raster[y, x]
                else:
                    above = x > 0 and raster[y - 1, x - 1] != raster[y, x - 1]
                    below = x < wide and raster[y - 1, x] != raster[y, x]
                if above or below:
                    if n + 2 >= out.shape[0]:
                        grown = np.empty((2 * out.shape[0], 2), np.float64)
                        grown[:n] = out[:n]
                        out = grown
                    out[n, 0], out[n, 1] = x, y
                    n += 1
        offsets[k + 1] = n
    return out[:n], offsets


def noded(polygons: Shapes, raster: Bytes) -> Shapes:
    """Exact polygons, in pixel corners of the raster they were traced from, as a valid coverage: with a vertex wherever three regions meet."""
    if not len(polygons):
        return polygons
    kind, xy, (rings, parts) = shapely.to_ragged_array(polygons)
    points, offsets = _insert_nodes(np.ascontiguousarray(xy), rings.astype(np.int64), np.ascontiguousarray(raster))
    return np.asarray(shapely.from_ragged_array(kind, points, (offsets, parts)))


def simplify_coverage(regions: Regions, raster: Bytes, tolerance: float) -> Shapes:
    """Simplified polygons of exact regions, in the order of the regions; neighbours keep sharing every edge.

    Args:
        regions: exact regions of `raster`, in its pixel corners.
        raster: class values (H, W).
        tolerance: in pixels; the square of it is the largest triangle that is cut off.
    """
    exact = shapely.normalize(noded(regions.polygons, raster))
    # The outer frame stays as it is: simplified, it would lose corners and with them area.
    return np.asarray(shapely.coverage_simplify(exact, tolerance, simplify_boundary=False)) if tolerance > 0 else exact


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
    union = (
        float(shapely.area(shapely.union_all(polygons)))
        if invalid or not shapely.coverage_is_valid(polygons)
        else total
    )
    return CoverageFigures(
        len(polygons),
        int(shapely.get_num_coordinates(polygons).sum()),
        invalid,
        max(0.0, area - union),
        max(0.0, total - union),
        bool(shapely.coverage_is_valid(polygons)),
    )

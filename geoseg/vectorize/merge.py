"""The minimum mapping unit: small regions go to the neighbour with the longest common edge, so no hole is left.

raster -> sizes of regions -> common edges of those that are small -> smallest first to its longest neighbour -> raster. Three scans of the raster and
a graph of its regions; no label per pixel is kept. The same whatever blocks the raster came in, because it looks at regions, not at blocks.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from geoseg.arrays import Bytes, Ints
from geoseg.vectorize.labels import SIDES, Sides, at_sides, grown, label_row, painted, region_sizes, root_of

__all__ = ["merge_small"]


ENDLESS = 1 << 50
"""Pixels of a region that goes on where nobody looks."""


def merge_small(raster: Bytes, least: Mapping[int, float], *, skip: int, goes_on: Sides = SIDES) -> Bytes:
    """The raster (H, W) with regions below their minimum size given to the neighbour with the longest common edge.

    Smallest first; a region that grew by what it took, and by others of its class that it then touches, counts with its new size; ties go to the
    region that comes first in raster order.

    Args:
        raster: class values.
        least: smallest size in pixels by class value.
        skip: value that neither gives nor takes (no data); a small region with no other neighbour stays.
        goes_on: sides beyond which there is more: what lies there is not taken for small.
    """
    raster = np.ascontiguousarray(raster)
    parent, pixels, values = region_sizes(raster)
    roots = np.flatnonzero(pixels)
    size, value = pixels[roots], values[roots]
    limits = np.array([least.get(v, 0.0) for v in range(256)])
    cut = np.zeros(len(parent), bool)
    cut[parent[at_sides(raster, goes_on, len(parent))]] = True
    size = np.where(cut[roots], ENDLESS, size)
    small = (size < limits[value]) & (value != skip)
    if not small.any():
        return raster
    number = np.full(len(parent), -1, np.int64)
    number[roots] = np.arange(len(roots))
    region = number[parent]  # of each provisional label
    first, second, counts = _common_edges(raster, region, small)
    new = _assigned(value, size, small, first, second, counts, limits, skip)
    return np.asarray(painted(raster, new[region]), np.uint8)


def _common_edges(raster: Bytes, region: Ints, small: npt.NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Pairs of regions, of which one is small, and how many pixel edges each pair shares."""
    keys, counts = _edge_runs(raster, region, small)
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    heads = np.flatnonzero(np.diff(keys, prepend=-1))
    total = np.add.reduceat(counts, heads) if len(heads) else counts
    return keys[heads] // len(small), keys[heads] % len(small), total


@numba.njit(cache=True, nogil=True)
def _edge_runs(a, region, small):  # type: ignore[no-untyped-def]
    """(pair as one number, pixel edges) for runs of equal pairs along the rows; a pair can come more than once."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    keys, counts, n, labels = np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.int64), 0, 0
    total = np.int64(small.shape[0])
    for r in range(high):
        labels = label_row(a, r, above, here, labels)
        last_up = np.int64(-1)
        at_up = 0
        for c in range(wide):
            if r > 0 and a[r - 1, c] != a[r, c]:
                i, j = region[here[c]], region[above[c]]
                if small[i] or small[j]:
                    key = min(i, j) * total + max(i, j)
                    if key == last_up:
                        counts[at_up] += 1
                    else:
                        keys, counts = grown(keys, n + 1), grown(counts, n + 1)
                        keys[n], counts[n] = key, 1
                        last_up, at_up, n = key, n, n + 1
            if c > 0 and a[r, c - 1] != a[r, c]:
                i, j = region[here[c]], region[here[c - 1]]
                if small[i] or small[j]:
                    keys, counts = grown(keys, n + 1), grown(counts, n + 1)
                    keys[n], counts[n] = min(i, j) * total + max(i, j), 1
                    n += 1
        above, here = here, above
    return keys[:n], counts[:n]


@numba.njit(cache=True, nogil=True)
def _assigned(values, size, small, first, second, counts, least, skip):  # type: ignore[no-untyped-def]
    """Class value of each region after all small ones went to a neighbour; each region has a linked list of its common edges."""
    regions, edges = values.shape[0], first.shape[0]
    size, values = size.copy(), values.copy()
    parent = np.arange(regions)
    to, length, following = (
        np.empty(2 * edges, np.int64),
        np.empty(2 * edges, np.int64),
        np.full(2 * edges, -1, np.int64),
    )
    head, tail = np.full(regions, -1, np.int64), np.full(regions, -1, np.int64)
    for k in range(2 * edges):
        mine, other = (first[k // 2], second[k // 2]) if k % 2 == 0 else (second[k // 2], first[k // 2])
        to[k], length[k] = other, counts[k // 2]
        if head[mine] < 0:
            head[mine] = k
        else:
            following[tail[mine]] = k
        tail[mine] = k
    common = np.zeros(regions, np.int64)
    nearby, found = np.empty(2 * edges + 1, np.int64), 0
    queue: list[Any] = [(size[k], np.int64(k)) for k in range(regions) if small[k]]
    heapq.heapify(queue)
    while len(queue) > 0:
        amount, i = heapq.heappop(queue)
        if parent[i] != i or amount != size[i]:
            continue  # it went to another, or grew: a later entry counts
        k = head[i]
        while k >= 0:
            common[root_of(parent, to[k])] += length[k]
            k = following[k]
        taker, longest = np.int64(-1), np.int64(0)
        k = head[i]
        while k >= 0:
            j = root_of(parent, to[k])
            n = common[j]
            if j != i and values[j] != skip and (n > longest or (n == longest and n > 0 and j < taker)):
                taker, longest = j, n
            k = following[k]
        if taker >= 0:
            value, owner = values[taker], min(i, taker)
            k = head[i]
            while k >= 0:  # all neighbours of that class are one region with it now
                j = root_of(parent, to[k])
                if values[j] == value and j != i:
                    owner = min(owner, j)
                k = following[k]
        k = head[i]
        while k >= 0:
            j = root_of(parent, to[k])
            common[j] = 0
            nearby[found] = j
            found += 1
            k = following[k]
        if taker < 0:
            found = 0
            continue
        nearby[found] = i
        for q in range(found + 1):
            j = nearby[q]
            if j == owner or parent[j] != j or (j != i and values[j] != value):
                continue
            parent[j] = owner
            size[owner] += size[j]
            if head[j] >= 0:
                if head[owner] < 0:
                    head[owner] = head[j]
                else:
                    following[tail[owner]] = head[j]
                tail[owner] = tail[j]
        found = 0
        values[owner] = value
        if size[owner] < least[value]:
            heapq.heappush(queue, (size[owner], owner))
    out = np.empty(regions, np.uint8)
    for i in range(regions):
        out[i] = values[root_of(parent, i)]
    return out

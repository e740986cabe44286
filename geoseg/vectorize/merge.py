"""The minimum mapping unit: small regions go to the neighbour with the longest common edge, so that no hole is left.

raster -> sizes of regions -> common edges of the small ones -> smallest first to its longest neighbour -> raster.
That is three scans of the raster and a graph of its regions; no label per pixel is kept. The result is the same
whatever blocks the raster came in, because regions count, not blocks.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from geoseg.arrays import Bytes, Doubles, Ints, Mask
from geoseg.kernel import kernel
from geoseg.vectorize.labels import SIDES, Sides, at_sides, label_row, paint, region_sizes, root_of, with_room

__all__ = ["merge_small"]


ENDLESS = 1 << 50
"""Pixels of a region that goes on where nobody looks."""


class _Regions(NamedTuple):
    """Class value and pixels of each region, and whether it is too small (N,)."""

    value: Bytes
    size: Ints
    small: Mask


class _Edges(NamedTuple):
    """Pairs of regions that meet, and how many pixel edges each pair shares (E,)."""

    first: Ints
    second: Ints
    length: Ints


class _Links(NamedTuple):
    """The edges of each region as a linked list.

    Attributes:
        to: the neighbour, of each link.
        length: pixel edges, of each link.
        following: the next link or -1, of each link.
        head: first link or -1, of each region.
        tail: last link or -1, of each region.
    """

    to: Ints
    length: Ints
    following: Ints
    head: Ints
    tail: Ints


def merge_small(raster: Bytes, least: Mapping[int, float], *, skip: int, goes_on: Sides = SIDES) -> Bytes:
    """The raster (H, W) with regions below their minimum size given to the neighbour with the longest common edge.

    Smallest first; a region that grew by what it took, and by others of its class that it then touches, counts with its
    new size; ties go to the region that comes first in raster order.

    Args:
        raster: class values.
        least: smallest size in pixels by class value.
        skip: value that neither gives nor takes (no data); a small region with no other neighbour stays.
        goes_on: sides beyond which there is more: regions that lie there do not count as small.
    """
    raster = np.ascontiguousarray(raster)
    parent, pixels, values = region_sizes(raster)
    roots = np.flatnonzero(pixels)
    limits = np.array([least.get(v, 0.0) for v in range(256)])
    cut = np.zeros(len(parent), bool)
    cut[parent[at_sides(raster, goes_on, len(parent))]] = True
    value, size = values[roots], np.where(cut[roots], ENDLESS, pixels[roots])
    small = (size < limits[value]) & (value != skip)
    if not small.any():
        return raster
    number = np.full(len(parent), -1, np.int64)
    number[roots] = np.arange(len(roots))
    region = number[parent]  # of each provisional label
    edges = _common_edges(raster, region, small)
    new = _new_values(_Regions(value, size, small), edges, limits, skip)
    return paint(raster, new[region])


def _common_edges(raster: Bytes, region: Ints, small: Mask) -> _Edges:
    """Edges between regions of which at least one is small."""
    keys, counts = _edge_runs(raster, region, small)
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    heads = np.flatnonzero(np.diff(keys, prepend=-1))
    total = np.add.reduceat(counts, heads) if len(heads) else counts
    return _Edges(keys[heads] // len(small), keys[heads] % len(small), total)


@kernel
def _edge_runs(a: Bytes, region: Ints, small: Mask) -> tuple[Ints, Ints]:
    """Pairs of regions as one number, and pixel edges, for runs along the rows; a pair can come more than once."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    keys, counts, n, labels = np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.int64), 0, 0
    for r in range(high):
        labels = label_row(a, r, above, here, labels)
        keys, counts = with_room(keys, n + 2 * wide), with_room(counts, n + 2 * wide)
        at_up = -1  # the run of the edges to the row above that is not ended yet
        for c in range(wide):
            if r > 0 and a[r - 1, c] != a[r, c]:
                key = _pair(region[here[c]], region[above[c]], small)
                if key >= 0 and at_up >= 0 and keys[at_up] == key:
                    counts[at_up] += 1
                elif key >= 0:
                    keys[n], counts[n] = key, 1
                    at_up, n = n, n + 1
            if c > 0 and a[r, c - 1] != a[r, c]:
                key = _pair(region[here[c]], region[here[c - 1]], small)
                if key >= 0:
                    keys[n], counts[n] = key, 1
                    n += 1
        above, here = here, above
    return keys[:n], counts[:n]


@kernel
def _pair(i: int, j: int, small: Mask) -> int:
    """Two regions as one number, -1 where none of them is small."""
    return min(i, j) * small.shape[0] + max(i, j) if small[i] or small[j] else -1


@kernel
def _link(edges: _Edges, regions: int) -> _Links:
    """The edges as a linked list for each region."""
    count = edges.first.shape[0]
    to, length = np.empty(2 * count, np.int64), np.empty(2 * count, np.int64)
    following = np.full(2 * count, -1, np.int64)
    head, tail = np.full(regions, -1, np.int64), np.full(regions, -1, np.int64)
    for k in range(2 * count):
        mine, other = edges.first[k // 2], edges.second[k // 2]
        if k % 2:
            mine, other = other, mine
        to[k], length[k] = other, edges.length[k // 2]
        if head[mine] < 0:
            head[mine] = k
        else:
            following[tail[mine]] = k
        tail[mine] = k
    return _Links(to, length, following, head, tail)


@kernel
def _new_values(regions: _Regions, edges: _Edges, least: Doubles, skip: int) -> Bytes:
    """Class value of each region after all small ones went to a neighbour."""
    count = regions.value.shape[0]
    size, value = regions.size.copy(), regions.value.copy()
    parent = np.arange(count)
    links = _link(edges, count)
    common = np.zeros(count, np.int64)
    nearby = np.empty(links.to.shape[0] + 1, np.int64)
    queue: list[tuple[int, int]] = [(size[k], k) for k in range(count) if regions.small[k]]
    heapq.heapify(queue)
    while len(queue) > 0:
        amount, i = heapq.heappop(queue)
        if parent[i] != i or amount != size[i]:
            continue  # it went to another, or grew: a later entry counts
        found = _neighbours(links, parent, i, common, nearby)
        taker = _taker(nearby[:found], common, i, value, skip)
        for j in nearby[:found]:
            common[j] = 0
        if taker < 0:
            continue
        nearby[found] = i
        owner = _unite_all(nearby[: found + 1], links, (parent, size, value), i, value[taker])
        value[owner] = value[taker]
        if size[owner] < least[value[owner]]:
            heapq.heappush(queue, (size[owner], owner))
    for i in range(count):
        value[i] = value[root_of(parent, i)]
    return value


@kernel
def _neighbours(links: _Links, parent: Ints, i: int, common: Ints, nearby: Ints) -> int:
    """Write the owners of region i's neighbours to `nearby`, and the length of each one's edge to `common`.

    An owner can come more than once; returns how many entries there are.
    """
    found = 0
    k = links.head[i]
    while k >= 0:
        j = root_of(parent, links.to[k])
        common[j] += links.length[k]
        nearby[found] = j
        found += 1
        k = links.following[k]
    return found


@kernel
def _taker(nearby: Ints, common: Ints, i: int, value: Bytes, skip: int) -> int:
    """The neighbour with the longest common edge, the first of equal ones; -1 where none may take."""
    taker, longest = -1, 0
    for j in nearby:
        n = common[j]
        if j != i and value[j] != skip and (n > longest or (n == longest and n > 0 and j < taker)):
            taker, longest = j, n
    return taker


@kernel
def _unite_all(nearby: Ints, links: _Links, regions: tuple[Ints, Ints, Bytes], i: int, new: int) -> int:
    """Unite region i and all its neighbours of a class to one region; returns its owner, the first of them."""
    parent, size, value = regions
    owner = i
    for j in nearby:
        if value[j] == new:
            owner = min(owner, j)
    for j in nearby:
        if j == owner or parent[j] != j or (j != i and value[j] != new):
            continue
        parent[j] = owner
        size[owner] += size[j]
        if links.head[j] < 0:
            continue
        if links.head[owner] < 0:
            links.head[owner] = links.head[j]
        else:
            links.following[links.tail[owner]] = links.head[j]
        links.tail[owner] = links.tail[j]
    return owner

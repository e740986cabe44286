"""Exact polygons of a class raster by one scan with crack following.

4-connected, holes kept, the same polygons as GDAL's `Polygonize`. Regions get a label that is carried down the columns
(union-find where runs of one value meet; Rosenfeld, Pfaltz 1966); at every top edge not yet walked a ring is followed with the
region on its right, corners only. A ring bears the label of the pixel it starts at, so the outer ring and the holes of one
region meet again through the label's root. Memory: the raster, one byte per pixel, the output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["Regions", "label_regions", "trace"]

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Regions:
    """Regions of one raster, in raster order of their first pixel.

    `polygons` are shapely polygons in pixel corners (x = column, y = row), `values` their class, `first` (N, 2) their first pixel
    (row, column), `pixels` their size, `weight` the sum of the weights of their pixels. `borders` gives the region at each pixel of the
    raster's first row, last row, first column and last column; -1 where it was left out.
    """

    polygons: npt.NDArray[np.object_]
    values: Bytes
    first: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    weight: npt.NDArray[np.int64]
    borders: tuple[npt.NDArray[np.int64], ...] = ()

    def __len__(self) -> int:
        return len(self.polygons)


@numba.njit(cache=True, nogil=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, nogil=True)
def _grown(a, need):  # type: ignore[no-untyped-def]
    """The array, or a copy of at least twice its length if it is too short."""
    if need <= a.shape[0]:
        return a
    b = np.zeros(max(need, 2 * a.shape[0]), a.dtype)
    b[: a.shape[0]] = a
    return b


@numba.njit(cache=True, nogil=True)
def _label(a, weights):  # type: ignore[no-untyped-def]
    """Labels of top-left corners: (parent, pixels, weight) per provisional label and the label at each region start, in raster order."""
    high, wide = a.shape
    labels = np.zeros((high, wide), np.int32)
    parent, pixels, weight = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.int64)
    count = 0
    for r in range(high):
        for c in range(wide):
            v = a[r, c]
            up = r > 0 and a[r - 1, c] == v
            left = c > 0 and a[r, c - 1] == v
            if up:
                k = labels[r - 1, c]
                if left and labels[r, c - 1] != k:
                    i, j = _root(parent, k), _root(parent, labels[r, c - 1])
                    if i < j:
                        parent[j] = i
                    elif j < i:
                        parent[i] = j
            elif left:
                k = labels[r, c - 1]
            else:
                if count == parent.shape[0]:
                    parent, pixels, weight = (
                        _grown(parent, count + 1),
                        _grown(pixels, count + 1),
                        _grown(weight, count + 1),
                    )
                parent[count] = count
                k = count
                count += 1
            labels[r, c] = k
            pixels[k] += 1
            weight[k] += weights[r, c]
    for i in range(count):
        root = _root(parent, i)
        parent[i] = root
        if root != i:
            pixels[root] += pixels[i]
            weight[root] += weight[i]
    return labels, parent[:count], pixels[:count], weight[:count]


@numba.njit(cache=True, nogil=True)
def _follow(a, seen, r, c, xy, n):  # type: ignore[no-untyped-def]
    """Follow one ring from the top edge of pixel (r, c), region on the right; returns (corners, their end, pinches)."""
    high, wide = a.shape
    v, y, x, d, pinches = a[r, c], r, c, 0, 0  # d: 0 east, 1 south, 2 west, 3 north
    while True:
        xy = _grown(xy, n + 4)
        xy[n], xy[n + 1] = x, y
        n += 2
        while True:  # a straight run
            if d == 0:
                seen[y, x] = 1
                x += 1
                ry, rx, ly, lx = y, x, y - 1, x
            elif d == 1:
                y += 1
                ry, rx, ly, lx = y, x - 1, y, x
            elif d == 2:
                x -= 1
                ry, rx, ly, lx = y - 1, x - 1, y, x - 1
            else:
                y -= 1
                ry, rx, ly, lx = y - 1, x, y - 1, x - 1
            ahead_right = 0 <= ry < high and 0 <= rx < wide and a[ry, rx] == v
            ahead_left = 0 <= ly < high and 0 <= lx < wide and a[ly, lx] == v
            if not ahead_right:
                if ahead_left:
                    pinches += 1  # touches itself at this corner
                d = (d + 1) & 3
                break
            if ahead_left:
                d = (d + 3) & 3
                break
        if y == r and x == c and d == 0:
            break
    xy[n], xy[n + 1] = c, r
    return xy, n + 2, pinches


@numba.njit(cache=True, nogil=True)
def _split(xy, start, end, width):  # type: ignore[no-untyped-def]
    """Cut a ring that touches itself into simple rings: (corners, ends), the one through the ring's start first."""
    corners = (end - start) // 2 - 1
    stack = np.empty((corners + 1, 2), xy.dtype)
    loops, ends = np.empty(2 * (end - start) + 4, xy.dtype), np.empty(corners + 1, np.int64)
    at = dict()
    at[np.int64(-1)] = 0  # types the dictionary
    depth, filled, count = 0, 0, 0
    for i in range(corners):
        x, y = xy[start + 2 * i], xy[start + 2 * i + 1]
        key = np.int64(y) * (width + 1) + x
        if key in at:
            j = at[key]
            first = filled
            for q in range(j, depth):
                loops[filled], loops[filled + 1] = stack[q, 0], stack[q, 1]
                filled += 2
                if q > j:
                    at.pop(np.int64(stack[q, 1]) * (width + 1) + stack[q, 0])
            loops[filled], loops[filled + 1] = loops[first], loops[first + 1]
            filled += 2
            ends[count] = filled
            count += 1
            depth = j + 1
        else:
            at[key] = depth
            stack[depth, 0], stack[depth, 1] = x, y
            depth += 1
    out = np.empty(2 * (depth + 1) + filled, xy.dtype)
    for q in range(depth):
        out[2 * q], out[2 * q + 1] = stack[q, 0], stack[q, 1]
    out[2 * depth], out[2 * depth + 1] = stack[0, 0], stack[0, 1]
    main = 2 * (depth + 1)
    out[main:] = loops[:filled]
    all_ends = np.empty(count + 1, np.int64)
    all_ends[0] = main
    for q in range(count):
        all_ends[q + 1] = main + ends[q]
    return out, all_ends


@numba.njit(cache=True, nogil=True)
def _rings(a, labels, parent):  # type: ignore[no-untyped-def]
    """All rings: corners (flat x, y), end of each ring, root label of each ring."""
    high, wide = a.shape
    seen = np.zeros((high + 1, wide), np.uint8)
    xy, n = np.empty(1 << 16, np.int32), 0
    ends, owners, count = np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.int32), 0
    for r in range(high):
        for c in range(wide):
            if seen[r, c] or (r > 0 and a[r - 1, c] == a[r, c]):
                continue
            if c > 0 and a[r, c - 1] == a[r, c] and not (r > 0 and a[r - 1, c - 1] == a[r, c]):
                continue  # inside a straight top edge: its ring starts further left and was walked
            start = n
            xy, n, pinches = _follow(a, seen, r, c, xy, n)
            if pinches:
                parts, part_ends = _split(xy, start, n, wide)
                n = start + parts.shape[0]
                xy = _grown(xy, n)
                xy[start:n] = parts
            else:
                part_ends = np.array([n - start])
            for end in part_ends:
                ends, owners = _grown(ends, count + 1), _grown(owners, count + 1)
                ends[count], owners[count] = start + end, parent[labels[r, c]]
                count += 1
    return xy[:n], ends[:count], owners[:count]


def trace(raster: Bytes, weights: Bytes | None = None, *, skip: int | None = None) -> Regions:
    """Regions of equal value of a raster (H, W).

    Args:
        raster: class values.
        weights: summed per region, (H, W); none for 0.
        skip: value whose regions are left out (nodata).

    Returns:
        Regions, their polygons in pixel corners.
    """
    raster = np.ascontiguousarray(raster)
    labels, parent, pixels, weight = _label(
        raster, np.zeros_like(raster) if weights is None else np.ascontiguousarray(weights)
    )
    xy, ends, owners = _rings(raster, labels, parent)
    points = xy.reshape(-1, 2)
    starts = np.concatenate([[0], ends[:-1]]) // 2
    lengths = np.diff(np.concatenate([starts, [len(points)]]))
    order = np.argsort(owners, kind="stable")  # an outer ring starts at its region's first pixel, so before its holes
    offsets = np.concatenate([[0], np.cumsum(lengths[order])])
    index = np.repeat(starts[order] - offsets[:-1], lengths[order]) + np.arange(offsets[-1])
    heads = np.flatnonzero(np.diff(owners[order], prepend=-1))
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, points[index].astype(float), (offsets, np.concatenate([heads, [len(order)]]))
    )
    first = points[starts[order[heads]]][:, ::-1].astype(np.int64)  # (row, column)
    roots = owners[order[heads]]
    values = raster[first[:, 0], first[:, 1]]
    keep = np.ones(len(values), bool) if skip is None else values != skip
    number = np.full(len(parent), -1, np.int64)
    number[roots[keep]] = np.arange(np.count_nonzero(keep))
    borders = tuple(number[parent[edge]] for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    return Regions(
        np.asarray(polygons)[keep], values[keep], first[keep], pixels[roots][keep], weight[roots][keep], borders
    )


def label_regions(raster: Bytes) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """(labels, pixels): the label of each pixel's region (H, W), ascending in raster order of first pixels, and the size of each label."""
    raster = np.ascontiguousarray(raster)
    labels, parent, pixels, _ = _label(raster, np.zeros_like(raster))
    return parent[labels], pixels

"""Exact polygons of a class raster by one scan with crack following.

4-connected, holes kept, the same polygons as GDAL's `Polygonize`. Regions get a label that is carried down the columns
(`labels`); at every top edge not yet walked a ring is followed with the region on its right, corners only. A ring bears the
label of the pixel it starts at, so the outer ring and the holes of one region meet again through the label's root. Memory: the
raster, one bit per pixel, the output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
import numpy.typing as npt
import shapely

from geoseg.arrays import Bytes
from geoseg.vectorize.labels import flattened, grown, united

__all__ = ["Regions", "Rings", "trace", "trace_rings"]


_ONE = np.zeros((1, 1), np.uint8)


@dataclass(frozen=True)
class Rings:
    """Outlines of regions as arrays, regions in raster order of their first pixel.

    Ring k has the corners `xy[rings[k]:rings[k + 1]]` (x = column, y = row; closed, clockwise on a screen around its region); region i has the rings
    `parts[i]` to `parts[i + 1]`, the outer one first. `values` class, `first` (N, 2) first pixel (row, column), `pixels` size, `weight` sum of the
    weights, `touches` whether it lies at the raster's frame or at the skipped value, by region. `borders` gives the region at each pixel of the
    raster's first row, last row, first column and last column; -1 where it was left out.
    """

    xy: npt.NDArray[np.int32]
    rings: npt.NDArray[np.int64]
    parts: npt.NDArray[np.int64]
    values: npt.NDArray[np.unsignedinteger]
    first: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    weight: npt.NDArray[np.int64]
    touches: npt.NDArray[np.bool_]
    borders: tuple[npt.NDArray[np.int64], ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def chosen(self, numbers: npt.NDArray[np.int64], values: Bytes | None = None) -> Rings:
        """Some of the regions, with class values given anew (those of all regions) if there are any."""
        values = self.values if values is None else values
        if len(numbers) == len(self):
            return replace(self, values=values, borders=())
        rings, parts = self._rings_of(numbers)
        lengths = np.diff(self.rings)[rings]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return Rings(
            self.xy[np.repeat(self.rings[rings] - offsets[:-1], lengths) + np.arange(offsets[-1])],
            offsets,
            parts,
            values[numbers],
            self.first[numbers],
            self.pixels[numbers],
            self.weight[numbers],
            self.touches[numbers],
        )

    def _rings_of(self, numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rings of some regions, and where each region's begin among them."""
        sizes = self.parts[numbers + 1] - self.parts[numbers]
        parts = np.concatenate([[0], np.cumsum(sizes)])
        return np.repeat(self.parts[numbers] - parts[:-1], sizes) + np.arange(parts[-1]), parts

    def boxes(self) -> npt.NDArray[np.int64]:
        """Least and greatest x and y of each region (N, 4): left, top, right, bottom."""
        outer = self.parts[:-1]
        if not len(outer):
            return np.zeros((0, 4), np.int64)
        starts = self.rings[:-1]
        low, high = np.minimum.reduceat(self.xy, starts)[outer], np.maximum.reduceat(self.xy, starts)[outer]
        return np.concatenate([low, high], 1).astype(np.int64)

    def polygons(self, chosen: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.object_]:
        """Shapely polygons of all or some regions, in pixel corners."""
        if chosen is None:
            return _polygons(self.xy, self.rings, self.parts)
        some = self.chosen(np.asarray(chosen, np.int64))
        return _polygons(some.xy, some.rings, some.parts)


def _polygons(
    xy: npt.NDArray[np.int32], rings: npt.NDArray[np.int64], parts: npt.NDArray[np.int64]
) -> npt.NDArray[np.object_]:
    return np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, xy.astype(float), (rings, parts)))


@dataclass(frozen=True)
class Regions:
    """Regions of one raster, in raster order of their first pixel.

    `polygons` are shapely polygons in pixel corners (x = column, y = row); the rest as in `Rings`.
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
def _follow(a, seen, r, c, xy, n):  # type: ignore[no-untyped-def]
    """Follow one ring from the top edge of pixel (r, c), region on the right; returns (corners, their end, pinches)."""
    high, wide = a.shape
    v, y, x, d, pinches = a[r, c], r, c, 0, 0  # d: 0 east, 1 south, 2 west, 3 north
    while True:
        xy = grown(xy, n + 4)
        xy[n], xy[n + 1] = x, y
        n += 2
        while True:  # a straight run
            if d == 0:
                bit = np.int64(y) * wide + x
                seen[bit >> 3] |= np.uint8(1 << (bit & 7))
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
def _mark_changes(a, r, changes):  # type: ignore[no-untyped-def]
    """1 where pixel c of row r differs from the one above or to its left, or the left one from the one above that; everywhere in row 0."""
    wide = a.shape[1]
    if r == 0:
        changes[:wide] = 1
        return
    row, before = a[r], a[r - 1]
    changes[0] = row[0] != before[0]
    for c in range(1, wide):
        changes[c] = (row[c] != before[c]) | (row[c] != row[c - 1]) | (row[c - 1] != before[c - 1])


@numba.njit(cache=True, nogil=True)
def _count(pixels, weight, weights, weighted, r, first, end, k):  # type: ignore[no-untyped-def]
    """Pixels first to end of row r have label k."""
    pixels[k] += end - first
    if weighted:
        total = np.int64(0)
        for c in range(first, end):
            total += weights[r, c]
        weight[k] += total


@numba.njit(cache=True, nogil=True)
def _scan(a, weights, weighted, skipped):  # type: ignore[no-untyped-def]
    """One scan: rings (flat x, y; ends; provisional label of each), label sums, flags and labels at the frame.

    `here` holds the labels of the row above until it is overwritten pixel by pixel. Where nothing changes the label above stays, so whole stretches
    are jumped over, eight pixels at a time.
    """
    high, wide = a.shape
    here = np.zeros(wide, np.int32)
    top, left, right = np.zeros(wide, np.int32), np.zeros(high, np.int32), np.zeros(high, np.int32)
    parent, pixels, weight = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.int64)
    touches = np.zeros(1 << 12, np.uint8)
    seen = np.zeros((np.int64(high + 1) * wide >> 3) + 1, np.uint8)
    changes = np.zeros((wide + 7) // 8 * 8, np.uint8)
    eight = changes.view(np.uint64)
    xy, n = np.empty(1 << 16, np.int32), 0
    ends, owners, rings = np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.int32), 0
    count = 0
    for r in range(high):
        _mark_changes(a, r, changes)
        at_frame = r == 0 or r == high - 1
        c, run = 0, 0  # the run of one label that c is in begins at `run`
        while True:
            while c < wide and changes[c] == 0:
                c += 8 if c & 7 == 0 and eight[c >> 3] == 0 else 1
            if c >= wide:
                break
            v = a[r, c]
            same_above = r > 0 and a[r - 1, c] == v
            same_left = c > 0 and a[r, c - 1] == v
            k = here[c]
            meets_nodata = r > 0 and not same_above and (skipped[v] or skipped[a[r - 1, c]])
            if meets_nodata:
                touches[k] = 1
            if not same_above:
                if same_left:
                    k = here[c - 1]
                else:
                    k = count
                    count += 1
                    parent, pixels, weight = grown(parent, count), grown(pixels, count), grown(weight, count)
                    touches = grown(touches, count)
                    parent[k] = k
            elif same_left and here[c - 1] != k:
                united(parent, k, here[c - 1])
            if meets_nodata or at_frame:
                touches[k] = 1
            if c > 0 and not same_left and (skipped[v] or skipped[a[r, c - 1]]):
                touches[k], touches[here[c - 1]] = 1, 1
            here[c] = k
            if c > run and here[c - 1] != k:
                _count(pixels, weight, weights, weighted, r, run, c, here[c - 1])
                run = c
            c += 1
            if same_above or (same_left and not (r > 0 and a[r - 1, c - 2] == v)):
                continue  # no edge, or inside a straight one: its ring starts further left and was walked
            bit = np.int64(r) * wide + c - 1
            if seen[bit >> 3] >> (bit & 7) & 1:
                continue
            start = n
            xy, n, pinches = _follow(a, seen, r, c - 1, xy, n)
            if pinches:
                parts, part_ends = _split(xy, start, n, wide)
                n = start + parts.shape[0]
                xy = grown(xy, n)
                xy[start:n] = parts
            else:
                part_ends = np.array([n - start])
            for end in part_ends:
                ends, owners = grown(ends, rings + 1), grown(owners, rings + 1)
                ends[rings], owners[rings] = start + end, k
                rings += 1
        _count(pixels, weight, weights, weighted, r, run, wide, here[wide - 1])
        touches[here[0]], touches[here[wide - 1]] = 1, 1
        if at_frame:
            touches[here] = 1
        if r == 0:
            top[:] = here
        left[r], right[r] = here[0], here[wide - 1]
    parent = flattened(parent, count)
    for i in range(count):
        if parent[i] != i:
            pixels[parent[i]] += pixels[i]
            weight[parent[i]] += weight[i]
            touches[parent[i]] |= touches[i]
    return xy[:n], ends[:rings], owners[:rings], parent, pixels, weight, touches, (top, here, left, right)


def trace_rings(
    raster: npt.NDArray[np.unsignedinteger],
    weights: Bytes | None = None,
    *,
    skip: int | npt.NDArray[np.bool_] | None = None,
    keep_skipped: bool = False,
) -> Rings:
    """Outlines of regions of equal value of a raster (H, W).

    Args:
        raster: class values, or codes.
        weights: summed per region, (H, W); none for 0.
        skip: value whose regions are left out (nodata), or for each value whether they are.
        keep_skipped: keep them all the same, for a coverage of everything; `touches` still tells who lies at them.

    Returns:
        Rings in pixel corners.
    """
    raster = np.ascontiguousarray(raster)
    heaviness = _ONE if weights is None else np.ascontiguousarray(weights)
    skipped = np.zeros(np.iinfo(raster.dtype).max + 1, bool)
    if skip is not None:
        skipped[np.flatnonzero(skip) if isinstance(skip, np.ndarray) else skip] = True
    xy, ends, owners, parent, pixels, weight, touches, edges = _scan(raster, heaviness, weights is not None, skipped)
    points = xy.reshape(-1, 2)
    roots = parent[owners]
    starts = np.concatenate([[0], ends[:-1]]) // 2
    lengths = np.diff(np.concatenate([starts, [len(points)]]))
    order = np.argsort(roots, kind="stable")  # an outer ring starts at its region's first pixel, so before its holes
    head = np.diff(roots[order], prepend=-1) != 0
    first = points[starts[order[head]]][:, ::-1].astype(np.int64)  # (row, column)
    values = raster[first[:, 0], first[:, 1]]
    keep = np.ones(len(values), bool) if keep_skipped else ~skipped[values]
    order = order[keep[np.cumsum(head) - 1]] if len(order) else order
    head = np.diff(roots[order], prepend=-1) != 0
    offsets = np.concatenate([[0], np.cumsum(lengths[order])])
    index = np.repeat(starts[order] - offsets[:-1], lengths[order]) + np.arange(offsets[-1])
    kept = roots[order[head]]
    number = np.full(len(parent), -1, np.int64)
    number[kept] = np.arange(len(kept))
    return Rings(
        points[index],
        offsets,
        np.concatenate([np.flatnonzero(head), [len(order)]]),
        values[keep],
        first[keep],
        pixels[kept],
        weight[kept],
        touches[kept].astype(bool),
        tuple(number[parent[edge]] for edge in edges),
    )


def trace(raster: Bytes, weights: Bytes | None = None, *, skip: int | None = None) -> Regions:
    """Regions of equal value of a raster (H, W) as shapely polygons in pixel corners; arguments as `trace_rings`."""
    found = trace_rings(raster, weights, skip=skip)
    return Regions(found.polygons(), found.values, found.first, found.pixels, found.weight, found.borders)

"""Exact polygons of a class raster, by one scan with crack following.

Regions are 4-connected and keep their holes: the same polygons as those of GDAL's `Polygonize`. Labels of regions are
carried down the columns (`labels`). At every top edge that was not walked yet a ring is followed with the region on its
right; only corners are kept. A ring bears the label of the pixel it starts at, so the outer ring and the holes of one
region meet again through the root of the label. In memory are the raster, one bit per pixel, and the output.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from geoseg.arrays import Bytes, Ints, Labels, Mask, Values
from geoseg.kernel import inline_kernel, kernel
from geoseg.vectorize.labels import flatten, unite, with_room
from geoseg.vectorize.rings import Regions, Rings

__all__ = ["Regions", "Rings", "trace", "trace_rings"]


_NO_WEIGHTS = np.zeros((0, 0), np.uint8)


_Found: TypeAlias = tuple[Labels, int, Ints, Labels, int]
"""Rings so far: corners (x, y, x, y ...) and how many numbers are used; end and label of each ring and how many."""


class _Scanned(NamedTuple):
    """Result of a scan; `edges`: labels at the first row, last row, first column, last column."""

    xy: Labels
    ends: Ints
    owners: Labels
    parent: Labels
    pixels: Ints
    weight: Ints
    touches: Bytes
    edges: tuple[Labels, Labels, Labels, Labels]


@kernel
def _follow(a: Values, seen: Bytes, r: int, c: int, xy: Labels, n: int) -> tuple[Labels, int, int]:
    """Follow one ring from the top edge of pixel (r, c), region on the right; returns corners, their end, pinches."""
    high, wide = a.shape
    v, y, x, pinches = a[r, c], r, c, 0
    dx, dy = 1, 0
    while True:
        if n + 4 > xy.shape[0]:
            xy = with_room(xy, n + 4)
        xy[n], xy[n + 1] = x, y
        n += 2
        # From a corner the pixel ahead on the right lies at (p, q): row, column; the one on the left at (-1 - q, p).
        p, q = (dx + dy - 1) >> 1, (dx - dy - 1) >> 1
        while True:  # a straight run
            if dx == 1:
                bit = np.int64(y) * wide + x
                seen[bit >> 3] |= np.uint8(1 << (bit & 7))
            x, y = x + dx, y + dy
            right, col = y + p, x + q
            left, left_col = y - 1 - q, x + p
            ahead_right = 0 <= right < high and 0 <= col < wide and a[right, col] == v
            ahead_left = 0 <= left < high and 0 <= left_col < wide and a[left, left_col] == v
            if not ahead_right or ahead_left:
                break
        if ahead_right:
            dx, dy = dy, -dx
        else:
            pinches += ahead_left  # touches itself at this corner
            dx, dy = -dy, dx
        if y == r and x == c and dx == 1:
            break
    xy[n], xy[n + 1] = c, r
    return xy, n + 2, pinches


@kernel
def _split(ring: Labels, width: int) -> tuple[Labels, Ints]:
    """Cut a ring (x, y, x, y ...) that touches itself into simple ones, the one through its start first.

    Returns their corners, and the end of each one in them.
    """
    corners = ring.shape[0] // 2 - 1
    stack = np.empty((corners + 1, 2), ring.dtype)
    loops, ends = np.empty(2 * ring.shape[0] + 4, ring.dtype), np.empty(corners + 1, np.int64)
    at = dict()
    at[np.int64(-1)] = 0  # types the dictionary
    depth, filled, count = 0, 0, 0
    for i in range(corners):
        x, y = ring[2 * i], ring[2 * i + 1]
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
    return _with_loops(stack[: depth + 1], loops[:filled], ends[:count])


@kernel
def _with_loops(stack: Labels, loops: Labels, ends: Ints) -> tuple[Labels, Ints]:
    """The ring that is left on the stack, closed in its last place, then the loops cut off it."""
    stack[-1] = stack[0]
    main = 2 * stack.shape[0]
    out = np.empty(main + loops.shape[0], loops.dtype)
    for q in range(stack.shape[0]):
        out[2 * q], out[2 * q + 1] = stack[q, 0], stack[q, 1]
    out[main:] = loops
    all_ends = np.empty(ends.shape[0] + 1, np.int64)
    all_ends[0] = main
    all_ends[1:] = main + ends
    return out, all_ends


@kernel
def _mark_changes(a: Values, r: int, changes: Bytes) -> None:
    """Write 1 where a pixel of row r is not equal to the three above and to the left of it, and in all of row 0."""
    wide = a.shape[1]
    if r == 0:
        changes[:wide] = 1
        return
    row, before = a[r], a[r - 1]
    changes[0] = row[0] != before[0]
    for c in range(1, wide):
        changes[c] = (row[c] != before[c]) | (row[c] != row[c - 1]) | (row[c - 1] != before[c - 1])


@kernel
def _count(pixels: Ints, weight: Ints, weights: Bytes, r: int, run: tuple[int, int], k: int) -> None:
    """Add a run of row r, from its first pixel to before its end, to the pixels and the weight of label k."""
    first, end = run
    pixels[k] += end - first
    if weights.shape[0]:
        total = np.int64(0)
        for c in range(first, end):
            total += weights[r, c]
        weight[k] += total


@inline_kernel
def _add_ring(a: Values, seen: Bytes, at: tuple[int, int], k: int, found: _Found) -> _Found:
    """Follow the ring that starts at the top edge of a pixel (row, column) of label k."""
    xy, start, ends, owners, rings = found
    xy, n, pinches = _follow(a, seen, at[0], at[1], xy, start)
    if pinches:
        parts, part_ends = _split(xy[start:n], a.shape[1])
        n = start + parts.shape[0]
        xy = with_room(xy, n)
        xy[start:n] = parts
    else:
        part_ends = np.array([n - start])
    if rings + part_ends.shape[0] > ends.shape[0]:
        need = rings + part_ends.shape[0]
        ends, owners = with_room(ends, need), with_room(owners, need)
    for end in part_ends:
        ends[rings], owners[rings] = start + end, k
        rings += 1
    return xy, n, ends, owners, rings


@kernel
def _fold(parent: Labels, pixels: Ints, weight: Ints, touches: Bytes) -> Labels:
    """Give the sums and flags of all labels to their roots; returns the roots."""
    for i in range(parent.shape[0]):
        if parent[i] != i:
            pixels[parent[i]] += pixels[i]
            weight[parent[i]] += weight[i]
            touches[parent[i]] |= touches[i]
    return parent


@kernel
def _scan(a: Values, weights: Bytes, skipped: Mask) -> _Scanned:
    """Rings, label sums, flags, and labels at the frame, in one scan; no weights: an array without rows.

    `here` holds the labels of the row above until it is overwritten pixel by pixel. Where nothing changes the label
    above stays, so whole stretches are jumped over, eight pixels at a time.
    """
    high, wide = a.shape
    here, touches = np.zeros(wide, np.int32), np.zeros(1 << 12, np.uint8)
    top, left, right = np.zeros(wide, np.int32), np.zeros(high, np.int32), np.zeros(high, np.int32)
    parent, pixels, weight = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.int64)
    seen = np.zeros((np.int64(high + 1) * wide >> 3) + 1, np.uint8)
    changes = np.zeros((wide + 7) // 8 * 8, np.uint8)
    eight = changes.view(np.uint64)
    found = (np.empty(1 << 16, np.int32), 0, np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.int32), 0)
    count = 0
    for r in range(high):
        _mark_changes(a, r, changes)
        if count + wide > parent.shape[0]:
            parent, pixels = with_room(parent, count + wide), with_room(pixels, count + wide)
            weight, touches = with_room(weight, count + wide), with_room(touches, count + wide)
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
            if same_above and same_left and here[c - 1] != k:
                unite(parent, k, here[c - 1])
            if not same_above:
                k = here[c - 1] if same_left else count
            if k == count:
                parent[k] = k
                count += 1
            if meets_nodata or at_frame:
                touches[k] = 1
            if c > 0 and not same_left and (skipped[v] or skipped[a[r, c - 1]]):
                touches[k], touches[here[c - 1]] = 1, 1
            here[c] = k
            if c > run and here[c - 1] != k:
                _count(pixels, weight, weights, r, (run, c), here[c - 1])
                run = c
            c += 1
            if same_above or (same_left and not (r > 0 and a[r - 1, c - 2] == v)):
                continue  # no edge, or inside a straight one: its ring starts further left and was walked
            bit = np.int64(r) * wide + c - 1
            if not seen[bit >> 3] >> (bit & 7) & 1:
                found = _add_ring(a, seen, (r, c - 1), k, found)
        _count(pixels, weight, weights, r, (run, wide), here[wide - 1])
        touches[here[0]], touches[here[wide - 1]] = 1, 1
        if at_frame:
            touches[here] = 1
        if r == 0:
            top[:] = here
        left[r], right[r] = here[0], here[wide - 1]
    xy, n, ends, owners, rings = found
    parent = _fold(flatten(parent, count), pixels, weight, touches)
    return _Scanned(xy[:n], ends[:rings], owners[:rings], parent, pixels, weight, touches, (top, here, left, right))


def trace_rings(
    raster: Values,
    weights: Bytes | None = None,
    *,
    skip: int | Mask | None = None,
    keep_skipped: bool = False,
) -> Rings:
    """Trace the outlines of regions of equal value of a raster (H, W).

    Args:
        raster: class values, or codes.
        weights: (H, W), summed up for each region; None: the sums are 0.
        skip: value whose regions are left out (no data), or for each value whether its regions are.
        keep_skipped: keep them all the same, for a coverage of everything; `touches` still tells what lies at them.

    Returns:
        Rings in pixel corners.
    """
    raster = np.ascontiguousarray(raster)
    skipped = np.zeros(np.iinfo(raster.dtype).max + 1, bool)
    if skip is not None:
        skipped[np.flatnonzero(skip) if isinstance(skip, np.ndarray) else skip] = True
    found = _scan(raster, _NO_WEIGHTS if weights is None else np.ascontiguousarray(weights), skipped)
    return _by_region(found, raster, np.zeros_like(skipped) if keep_skipped else skipped)


def _by_region(found: _Scanned, raster: Values, left_out: Mask) -> Rings:
    """The rings of a scan in order of their regions; those of values that are left out go."""
    points = found.xy.reshape(-1, 2)
    roots = found.parent[found.owners]
    starts = np.concatenate([[0], found.ends[:-1]]) // 2
    lengths = np.diff(np.concatenate([starts, [len(points)]]))
    # An outer ring starts at its region's first pixel, so it comes before its holes.
    order = np.argsort(roots, kind="stable")
    head = np.diff(roots[order], prepend=-1) != 0
    first = points[starts[order[head]]][:, ::-1].astype(np.int64)  # (row, column)
    values = raster[first[:, 0], first[:, 1]]
    keep = ~left_out[values]
    order = order[keep[np.cumsum(head) - 1]] if len(order) else order
    head = np.diff(roots[order], prepend=-1) != 0
    offsets = np.concatenate([[0], np.cumsum(lengths[order])])
    index = np.repeat(starts[order] - offsets[:-1], lengths[order]) + np.arange(offsets[-1])
    kept = roots[order[head]]
    number = np.full(len(found.parent), -1, np.int64)
    number[kept] = np.arange(len(kept))
    return Rings(
        points[index],
        offsets,
        np.concatenate([np.flatnonzero(head), [len(order)]]),
        values[keep],
        first[keep],
        found.pixels[kept],
        found.weight[kept],
        found.touches[kept].astype(bool),
        tuple(number[found.parent[edge]] for edge in found.edges),
    )


def trace(raster: Bytes, weights: Bytes | None = None, *, skip: int | None = None) -> Regions:
    """Regions of equal value of a raster (H, W) as shapely polygons in pixel corners; arguments as of `trace_rings`."""
    found = trace_rings(raster, weights, skip=skip)
    return Regions(found.polygons(), found.values, found.first, found.pixels, found.weight, found.borders)

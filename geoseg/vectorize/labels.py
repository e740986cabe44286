"""Connected regions of a class raster, row by row: labels are never held for more than two rows.

Each run of one value takes the label above it, or the one to its left, or a new one; where two labels meet they are united
(union-find; Rosenfeld, Pfaltz 1966). The provisional labels hang on the raster alone, so a second scan gives them again: what needs labels scans
once more instead of keeping four bytes for each pixel.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from geoseg.arrays import Bytes

__all__ = ["SIDES", "at_sides", "grown", "label_regions", "label_row", "region_sizes", "root_of", "united"]


Sides = tuple[bool, bool, bool, bool]
"""Top, bottom, left, right of a raster."""

SIDES: Sides = (False, False, False, False)


@numba.njit(cache=True, nogil=True)
def root_of(parent, i):  # type: ignore[no-untyped-def]
    """Root of a label, its path halved on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, nogil=True)
def grown(a, need):  # type: ignore[no-untyped-def]
    """The array, or a copy of at least twice its length if it is too short."""
    if need <= a.shape[0]:
        return a
    b = np.zeros(max(need, 2 * a.shape[0]), a.dtype)
    b[: a.shape[0]] = a
    return b


@numba.njit(cache=True, nogil=True)
def label_row(a, r, above, here, count):  # type: ignore[no-untyped-def]
    """Provisional labels of row r into `here`, from those `above`; returns how many there are now."""
    for c in range(a.shape[1]):
        v = a[r, c]
        if r > 0 and a[r - 1, c] == v:
            here[c] = above[c]
        elif c > 0 and a[r, c - 1] == v:
            here[c] = here[c - 1]
        else:
            here[c] = count
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def united(parent, a, b):  # type: ignore[no-untyped-def]
    """Unite two labels under the smaller root."""
    i, j = root_of(parent, a), root_of(parent, b)
    if i < j:
        parent[j] = i
    elif j < i:
        parent[i] = j


@numba.njit(cache=True, nogil=True)
def flattened(parent, count):  # type: ignore[no-untyped-def]
    """Every label points at its root."""
    for i in range(count):
        parent[i] = root_of(parent, i)
    return parent[:count]


@numba.njit(cache=True, nogil=True)
def _sizes(a):  # type: ignore[no-untyped-def]
    """(root of each provisional label, pixels and value of each root)."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    parent, pixels, values = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.uint8)
    count = 0
    for r in range(high):
        before = count
        count = label_row(a, r, above, here, count)
        parent, pixels, values = grown(parent, count), grown(pixels, count), grown(values, count)
        for i in range(before, count):
            parent[i] = i
        for c in range(wide):
            k = here[c]
            pixels[k] += 1
            values[k] = a[r, c]
            if c > 0 and a[r, c - 1] == a[r, c] and here[c - 1] != k:
                united(parent, k, here[c - 1])
        above, here = here, above
    parent = flattened(parent, count)
    for i in range(count):
        if parent[i] != i:
            pixels[parent[i]] += pixels[i]
            pixels[i] = 0
    return parent, pixels[:count], values[:count]


@numba.njit(cache=True, nogil=True)
def _painted(a, new, out):  # type: ignore[no-untyped-def]
    """Write `new[label]` of every pixel into `out`."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    count = 0
    for r in range(high):
        count = label_row(a, r, above, here, count)
        for c in range(wide):
            out[r, c] = new[here[c]]
        above, here = here, above


def region_sizes(raster: Bytes) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], Bytes]:
    """(root of each provisional label, pixels of each root, value of each root); roots ascend in raster order of first pixels."""
    parent, pixels, values = _sizes(np.ascontiguousarray(raster))
    return parent, pixels, values


def painted(raster: Bytes, new: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """A raster (H, W) of `new` at each pixel's provisional label."""
    out = np.empty(raster.shape, new.dtype)
    _painted(np.ascontiguousarray(raster), new, out)
    return out


def label_regions(raster: Bytes) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """(labels, pixels): the label of each pixel's region (H, W), ascending in raster order of first pixels, and the size of each label."""
    parent, pixels, _ = region_sizes(raster)
    return np.asarray(painted(raster, parent), np.int32), pixels


@numba.njit(cache=True, nogil=True)
def _at_sides(a, top, bottom, left, right, found):  # type: ignore[no-untyped-def]
    """Mark in `found` the provisional labels of pixels at some sides."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    count = 0
    for r in range(high):
        count = label_row(a, r, above, here, count)
        if (r == 0 and top) or (r == high - 1 and bottom):
            found[here] = True
        if left:
            found[here[0]] = True
        if right:
            found[here[wide - 1]] = True
        above, here = here, above


def at_sides(raster: Bytes, sides: Sides, labels: int) -> npt.NDArray[np.bool_]:
    """Which of so many provisional labels lie at some sides of a raster: where it goes on there, nobody knows how large they are."""
    found = np.zeros(labels, bool)
    if any(sides):
        _at_sides(np.ascontiguousarray(raster), *sides, found)
    return found

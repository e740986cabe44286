"""Connected regions of a class raster, row by row: labels of no more than two rows are held at a time.

Each run of one value takes the label above it, or the one to its left, or a new one; where two labels meet they are
united (union-find; Rosenfeld, Pfaltz 1966). These provisional labels depend on the raster alone, so a second scan
gives the same ones: whatever needs labels scans once more instead of keeping four bytes for each pixel.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from geoseg.arrays import Bytes, Ints, Labels, Mask, Values
from geoseg.kernel import kernel

__all__ = [
    "SIDES",
    "Sides",
    "at_sides",
    "flatten",
    "label_regions",
    "label_row",
    "paint",
    "region_sizes",
    "root_of",
    "unite",
    "with_room",
]

Sides = tuple[bool, bool, bool, bool]
"""Top, bottom, left, right of a raster."""

SIDES: Sides = (False, False, False, False)

S = TypeVar("S", bound=np.generic)


@kernel
def root_of(parent: npt.NDArray[np.signedinteger], i: int) -> int:
    """Root of a label; its path is halved on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def with_room(a: npt.NDArray[S], need: int) -> npt.NDArray[S]:
    """The array itself, or a copy of at least twice its length where it is shorter than `need`."""
    if need <= a.shape[0]:
        return a
    b = np.zeros(max(need, 2 * a.shape[0]), a.dtype)
    b[: a.shape[0]] = a
    return b


@kernel
def label_row(a: Values, r: int, above: Labels, here: Labels, count: int) -> int:
    """Write the provisional labels of row r into `here`, from those `above`; returns how many labels there are now."""
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


@kernel
def unite(parent: Labels, a: int, b: int) -> None:
    """Unite two labels under the smaller root."""
    i, j = root_of(parent, a), root_of(parent, b)
    if i < j:
        parent[j] = i
    elif j < i:
        parent[i] = j


@kernel
def flatten(parent: Labels, count: int) -> Labels:
    """Let every label point at its root."""
    for i in range(count):
        parent[i] = root_of(parent, i)
    return parent[:count]


@kernel
def _sizes(a: Values) -> tuple[Labels, Ints, Bytes]:
    """Root of each provisional label; pixels and value of each root."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    parent, pixels, values = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int64), np.zeros(1 << 12, np.uint8)
    count = 0
    for r in range(high):
        before = count
        count = label_row(a, r, above, here, count)
        parent, pixels, values = with_room(parent, count), with_room(pixels, count), with_room(values, count)
        for i in range(before, count):
            parent[i] = i
        for c in range(wide):
            k = here[c]
            pixels[k] += 1
            values[k] = a[r, c]
            if c > 0 and a[r, c - 1] == a[r, c] and here[c - 1] != k:
                unite(parent, k, here[c - 1])
        above, here = here, above
    parent = flatten(parent, count)
    for i in range(count):
        if parent[i] != i:
            pixels[parent[i]] += pixels[i]
            pixels[i] = 0
    return parent, pixels[:count], values[:count]


@kernel
def _paint(a: Values, new: npt.NDArray[S], out: npt.NDArray[S]) -> None:
    """Write `new[label]` of every pixel into `out`."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    count = 0
    for r in range(high):
        count = label_row(a, r, above, here, count)
        for c in range(wide):
            out[r, c] = new[here[c]]
        above, here = here, above


def region_sizes(raster: Values) -> tuple[Labels, Ints, Bytes]:
    """Sizes of the regions of a raster (H, W).

    Returns:
        Root (N,) of each provisional label; pixels (N,) and value (N,) of each root. Other labels have 0 pixels; roots
        ascend in raster order of their first pixels.
    """
    return _sizes(np.ascontiguousarray(raster))


def paint(raster: Values, new: npt.NDArray[S]) -> npt.NDArray[S]:
    """A raster (H, W) with the entry of `new` that belongs to each pixel's provisional label."""
    out = np.empty(raster.shape, new.dtype)
    _paint(np.ascontiguousarray(raster), new, out)
    return out


def label_regions(raster: Values) -> tuple[Labels, Ints]:
    """Label (H, W) of each pixel's region, ascending in raster order of first pixels, and pixels (N,) of each label."""
    parent, pixels, _ = region_sizes(raster)
    return paint(raster, parent), pixels


@kernel
def _mark_at_sides(a: Values, sides: Sides, found: Mask) -> None:
    """Mark in `found` the provisional labels of pixels at some sides."""
    high, wide = a.shape
    top, bottom, left, right = sides
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


def at_sides(raster: Values, sides: Sides, labels: int) -> Mask:
    """Tell for each provisional label (labels,) if it lies at a side of a raster beyond which it may go on."""
    found = np.zeros(labels, bool)
    if any(sides):
        _mark_at_sides(np.ascontiguousarray(raster), sides, found)
    return found

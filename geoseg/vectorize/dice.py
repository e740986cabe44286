"""Giants diced: a region with very many corners (a street network is one polygon) is cut along an anchored grid.

The cut is made in the raster, before anything is simplified: in every other cell of a chessboard the giant's pixels get a code of their own. What
follows (outlines, nodes, simplification) then treats its pieces as neighbours like any others, so the coverage stays whole.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt

from geoseg.vectorize.labels import label_row, region_sizes
from geoseg.vectorize.trace import Rings

__all__ = ["CELL", "GIANT", "dice"]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

CELL = 4096
"""Side of the cells in pixels, counted from the grid's anchor."""

GIANT = 50_000
"""Corners of exact outlines from which on a region is diced."""


def dice(
    raster: Bytes, rings: Rings, *, anchor: tuple[int, int], skip: int, giant: int = GIANT, cell: int = CELL
) -> tuple[Bytes, Bytes, Callable[[Ints], Ints]]:
    """Dice the giants of a class raster (H, W).

    Args:
        raster: class values.
        rings: outlines of all its regions.
        anchor: row and column of its first pixel on the grid.
        skip: value that is never diced.
        giant: corners from which on a region is one.
        cell: side of the cells.

    Returns:
        The raster with codes, the same object where there is no giant; the class value of each code (256,); a function from pixels (N, 2) to the
        first pixel (row, column) of the giant that each lies in, (-1, -1) for none.
    """
    value_of = np.arange(256, dtype=np.uint8)
    corners = np.diff(rings.rings[rings.parts])
    giants = np.flatnonzero((corners > giant) & (rings.values != skip))
    firsts, values = rings.first[giants], rings.values[giants]
    spare = np.setdiff1d(np.arange(256), np.append(np.unique(rings.values), skip))
    if not len(giants) or len(spare) < len(np.unique(values)):
        return raster, value_of, lambda pixels: np.full((len(pixels), 2), -1, np.int64)
    other = np.arange(256, dtype=np.uint8)
    for code, value in zip(spare, np.unique(values), strict=False):
        other[value] = code
        value_of[code] = value
    parent, _, _ = region_sizes(raster)
    number = np.full(len(parent), -1, np.int32)
    number[parent[_labels(raster, firsts)]] = np.arange(len(giants))
    number = number[parent]
    coded = raster.copy()
    _recode(raster, number, other, np.array(anchor), cell, coded)

    def whole_of(pixels: Ints) -> Ints:
        which = number[_labels(raster, pixels)]
        return np.where(which[:, None] >= 0, firsts[np.maximum(which, 0)], -1)

    return coded, value_of, whole_of


@numba.njit(cache=True, nogil=True)
def _recode(a, number, other, anchor, cell, out):  # type: ignore[no-untyped-def]
    """Pixels of giants in odd cells get the other code."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    count = 0
    for r in range(high):
        count = label_row(a, r, above, here, count)
        row = (r + anchor[0]) // cell
        for c in range(wide):
            if number[here[c]] >= 0 and (row + (c + anchor[1]) // cell) % 2:
                out[r, c] = other[a[r, c]]
        above, here = here, above


@numba.njit(cache=True, nogil=True)
def _labels_at(a, pixels, order, found):  # type: ignore[no-untyped-def]
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    count, k = 0, 0
    for r in range(high):
        count = label_row(a, r, above, here, count)
        while k < order.shape[0] and pixels[order[k], 0] == r:
            found[order[k]] = here[pixels[order[k], 1]]
            k += 1
        above, here = here, above


def _labels(raster: Bytes, pixels: Ints) -> npt.NDArray[np.int64]:
    """Provisional labels of some pixels (row, column)."""
    found = np.zeros(len(pixels), np.int64)
    _labels_at(np.ascontiguousarray(raster), pixels, np.argsort(pixels[:, 0], kind="stable"), found)
    return found

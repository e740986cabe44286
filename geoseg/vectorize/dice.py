"""Cut, in the raster, what is too large for one process or one polygon, before anything is outlined.

    clean raster -> regions -> large ones cut where sectors meet, those with very many corners along cells -> codes

A region's pixels get a code of their class and of a state; where the state changes the region is cut. What follows
(outlines, nodes, simplification) then treats its pieces as neighbours like any others, so the coverage stays whole.
Each pixel's code depends on the raster around its sector alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from geoseg.arrays import Bytes, Ints, Labels, Mask, Values
from geoseg.geometry.sectors import Sector
from geoseg.kernel import kernel
from geoseg.vectorize.houses.colour import COLOURS
from geoseg.vectorize.labels import flatten, label_row, unite, with_room

__all__ = ["DICED", "GIANT", "HOUSE", "SMALL", "Codes", "Limits", "code_core", "cut_from", "extents", "first_pixels"]

Pixel = tuple[int, int]

GIANT = 50_000
"""Corners of the exact outline from which on a region, or a large one's part in the sector, is cut along the cells."""

SMALL, SECTOR, DICED, HOUSE = 0, 1, 3, 5
STATES = HOUSE + COLOURS
"""States: not large; a large region's part in a sector (1, 2, as on a chessboard); a giant's in a cell (3, 4); a house.

Houses (5 to 10) are the parts of a region that is not large, told apart by colours.
"""


@dataclass(frozen=True)
class Codes:
    """Classes and states as one number each; the last "class" is no data."""

    values: tuple[int, ...]
    nodata: int

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Data type of rasters of codes."""
        return np.uint8 if STATES * (len(self.values) + 1) <= 256 else np.uint16

    @cached_property
    def value_of(self) -> Bytes:
        """Class value of each code."""
        return np.tile(np.array([*self.values, self.nodata], np.uint8), STATES)

    @cached_property
    def state_of(self) -> Bytes:
        """State of each code."""
        return np.repeat(np.arange(STATES, dtype=np.uint8), len(self.values) + 1)

    @cached_property
    def joined(self) -> Values:
        """For each code that of the region: houses get the code of a region that is not large."""
        state = np.where(self.state_of < HOUSE, self.state_of, SMALL).astype(np.int64)
        count = len(self.values) + 1
        return np.asarray(np.tile(np.arange(count), STATES) + state * count, self.dtype)

    @cached_property
    def skipped(self) -> Mask:
        """Codes that mean no data."""
        return np.asarray(self.value_of == self.nodata)

    @cached_property
    def code_of(self) -> Values:
        """Code (256, STATES) of each class value and state; no data for values that no class has."""
        count = len(self.values) + 1
        index = np.full(256, count - 1)
        index[list(self.values)] = np.arange(count - 1)
        return np.asarray(index[:, None] + count * np.arange(STATES), self.dtype)


@dataclass(frozen=True)
class Limits:
    """Sizes from which on a region is cut.

    `largest`: longest side, in pixels, of regions that are not cut where sectors meet; `cell`: side of the cells,
    counted from the grid's anchor; sectors end where cells do; `giant`: corners from which on a region is cut along
    the cells.
    """

    largest: int
    cell: int
    giant: int = GIANT


class _Place(NamedTuple):
    """Rows and columns of a core in its raster; row and column on the grid of the raster's first pixel."""

    core: tuple[int, int, int, int]
    at: Pixel


class _Regions(NamedTuple):
    """Root of each provisional label; state of each root, and whether it is diced."""

    parent: Labels
    state: Ints
    diced: Mask


def code_core(
    raster: Bytes, codes: Codes, core: tuple[slice, slice], at: Pixel, sector: Sector, limits: Limits
) -> Values:
    """Codes (h, w) of a sector's core.

    Args:
        raster: class values of the core and of more than `limits.largest` pixels around it (less at the frame of the
            whole).
        codes: of the classes.
        core: where it lies in the raster.
        at: row and column on the grid of the raster's first pixel.
        sector: its number.
        limits: what is cut.
    """
    raster = np.ascontiguousarray(raster)
    parent, firsts, ends = extents(raster)
    large = (ends - firsts + 1).max(1) > limits.largest
    place = _Place((core[0].start, core[0].stop, core[1].start, core[1].stop), at)
    diced = _corners(raster, parent, large, place.core) > limits.giant
    state = np.where(large, SECTOR + sum(sector) % 2, SMALL)
    return _codes(raster, _Regions(parent, state, diced), (codes.code_of, codes.nodata), place, limits.cell)


@kernel
def extents(a: Bytes) -> tuple[Labels, Ints, Ints]:
    """Root of each provisional label; least and greatest row and column of each root."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    parent = np.zeros(1 << 12, np.int32)
    top, left = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32)
    bottom, right = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32)
    count = 0
    for r in range(high):
        before = count
        count = label_row(a, r, above, here, count)
        parent, top, left = with_room(parent, count), with_room(top, count), with_room(left, count)
        bottom, right = with_room(bottom, count), with_room(right, count)
        for i in range(before, count):
            parent[i], top[i], left[i], bottom[i], right[i] = i, r, wide, r, -1
        for c in range(wide):
            k = here[c]
            if c > 0 and here[c - 1] != k and a[r, c - 1] == a[r, c]:
                unite(parent, k, here[c - 1])
            bottom[k] = r
            if c < left[k]:
                left[k] = c
            if c > right[k]:
                right[k] = c
        above, here = here, above
    parent = flatten(parent, count)
    for i in range(count):
        p = parent[i]
        top[p], left[p] = min(top[p], top[i]), min(left[p], left[i])
        bottom[p], right[p] = max(bottom[p], bottom[i]), max(right[p], right[i])
    firsts, ends = np.empty((count, 2), np.int64), np.empty((count, 2), np.int64)
    firsts[:, 0], firsts[:, 1], ends[:, 0], ends[:, 1] = top[:count], left[:count], bottom[:count], right[:count]
    return parent, firsts, ends


@kernel
def _corners(a: Bytes, parent: Labels, large: Mask, core: tuple[int, int, int, int]) -> Ints:
    """Corners of the outline of each region (by root); of large ones only those in the core."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    corners = np.zeros(parent.shape[0], np.int64)
    four = np.zeros(4, np.int64)
    top, bottom, left, right = core
    count = 0
    for r in range(high + 1):
        if r < high:
            count = label_row(a, r, above, here, count)
        for c in range(wide + 1):
            nw = parent[above[c - 1]] if r > 0 and c > 0 else -1
            ne = parent[above[c]] if r > 0 and c < wide else -1
            sw = parent[here[c - 1]] if r < high and c > 0 else -1
            se = parent[here[c]] if r < high and c < wide else -1
            if (nw == ne and sw == se) or (nw == sw and ne == se):
                continue  # no outline, or one that goes straight on
            within = top <= r <= bottom and left <= c <= right
            four[0], four[1], four[2], four[3] = nw, ne, sw, se
            for k in range(4):
                if four[k] >= 0 and (within or not large[four[k]]) and _turns(four, k):
                    corners[four[k]] += 1
        above, here = here, above
    return corners


@kernel
def _turns(four: Ints, k: int) -> bool:
    """Tell if the outline of region `four[k]`, of those at a corner, turns there.

    An elbow counts once: for the pixel in it.
    """
    i, n = four[k], 0
    for other in four:
        n += other == i
    if n == 3:
        return bool(four[3 - k] != i)  # the pixel in the elbow
    return n == 1 or bool(n == 2 and four[3 - k] == i)


@kernel
def _codes(a: Bytes, regions: _Regions, table: tuple[Values, int], place: _Place, cell: int) -> Values:
    """Codes of the core's pixels; table: `Codes.code_of` and the value of no data."""
    wide = a.shape[1]
    parent, state, diced = regions
    (top, bottom, left, right), (first_row, first_col) = place
    code_of, nodata = table
    out = np.empty((bottom - top, right - left), code_of.dtype)
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    count = 0
    for r in range(bottom):
        count = label_row(a, r, above, here, count)
        if r >= top:
            row = (r + first_row) // cell
            for c in range(left, right):
                i = parent[here[c]]
                s = state[i]
                if diced[i] and a[r, c] != nodata:
                    s = DICED + (row + (c + first_col) // cell) % 2
                out[r - top, c - left] = code_of[a[r, c], s]
        above, here = here, above
    return out


def cut_from(
    core: Values, codes: Codes, pieces: Ints, at: Pixel, whole_of: Mapping[Pixel, Pixel]
) -> list[Pixel | None]:
    """First pixel on the grid of the whole region that each of some pieces is cut from; None for a piece that is whole.

    Args:
        core: codes (h, w).
        codes: what they mean.
        pieces: first pixel (N, 2) in the core of each piece.
        at: row and column of the core's first pixel on the grid.
        whole_of: see `join.wholes`.
    """
    states = codes.state_of[core[pieces[:, 0], pieces[:, 1]]]
    found: list[Pixel | None] = [None] * len(pieces)
    cut = np.flatnonzero((states != SMALL) & (states < HOUSE))
    if len(cut):
        firsts = first_pixels(codes.value_of[core], pieces[cut]) + np.array(at)
        for k, (row, col) in zip(cut.tolist(), firsts.tolist(), strict=True):
            found[k] = whole_of.get((row, col), (row, col) if states[k] >= DICED else None)
    return found


def first_pixels(raster: Bytes, pixels: Ints) -> Ints:
    """First pixel (row, column) of the region that holds each of some pixels (N, 2)."""
    found = np.zeros(len(pixels), np.int64)
    order = np.argsort(pixels[:, 0], kind="stable")
    parent, first = _firsts(np.ascontiguousarray(raster), pixels, order, found)
    return np.asarray(first[parent[found]], np.int64)


@kernel
def _firsts(a: Bytes, pixels: Ints, order: Ints, found: Ints) -> tuple[Labels, Ints]:
    """Root of each provisional label, and its first pixel; writes the label of each of the pixels into `found`."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    parent, rows, cols = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32)
    count, k = 0, 0
    for r in range(high):
        before = count
        count = label_row(a, r, above, here, count)
        parent, rows, cols = with_room(parent, count), with_room(rows, count), with_room(cols, count)
        new = before
        for c in range(wide):
            if here[c] == new and new < count:
                parent[new], rows[new], cols[new] = new, r, c
                new += 1
            if c > 0 and here[c - 1] != here[c] and a[r, c - 1] == a[r, c]:
                unite(parent, here[c], here[c - 1])
        while k < order.shape[0] and pixels[order[k], 0] == r:
            found[order[k]] = here[pixels[order[k], 1]]
            k += 1
        above, here = here, above
    parent = flatten(parent, count)
    first = np.empty((count, 2), np.int64)
    first[:, 0], first[:, 1] = rows[:count], cols[:count]
    return parent, first

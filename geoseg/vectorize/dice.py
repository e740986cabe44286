"""Cutting what is too large for one process or one polygon, in the raster, before anything is outlined.

    clean raster -> regions -> large ones cut where sectors meet; those with very many corners along a grid of cells -> codes

A region's pixels get a code of their class and of a state; where the state changes the region is cut. What follows (outlines, nodes, simplification) then
treats its pieces as neighbours like any others, so the coverage stays whole. Each pixel's code hangs on the raster around its sector alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
import numpy.typing as npt

from geoseg.arrays import Bytes, Ints
from geoseg.geometry.sectors import Sector
from geoseg.vectorize.labels import flattened, grown, label_row, united
from geoseg.vectorize.trace import trace_rings

__all__ = ["DICED", "GIANT", "SMALL", "Codes", "Frame", "coded", "cut_from", "first_pixels", "frame_of_core", "wholes"]

Pixel = tuple[int, int]

GIANT = 50_000
"""Corners of exact outlines from which on a region (of a large one: its part in the sector) is cut along the cells."""

SMALL, SECTOR, DICED, STATES = 0, 1, 3, 5
"""States of a region: not large; a large one's part in a sector (1 and 2, as on a chessboard); a giant's part in a cell (3 and 4)."""


@dataclass(frozen=True)
class Codes:
    """Classes and states as one number each; the last "class" is no data."""

    values: tuple[int, ...]
    nodata: int

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """Of rasters of codes."""
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
    def skipped(self) -> npt.NDArray[np.bool_]:
        """Which codes are no data."""
        return np.asarray(self.value_of == self.nodata)

    @cached_property
    def code_of(self) -> npt.NDArray[np.int64]:
        """Code (256, STATES) of each class value and state; no data for values that no class has."""
        count = len(self.values) + 1
        index = np.full(256, count - 1)
        index[list(self.values)] = np.arange(count - 1)
        return np.asarray(index[:, None] + count * np.arange(STATES))


def coded(
    raster: Bytes,
    codes: Codes,
    core: tuple[slice, slice],
    at: Pixel,
    sector: Sector,
    *,
    largest: int,
    cell: int,
    giant: int = GIANT,
) -> npt.NDArray[np.unsignedinteger]:
    """Codes (h, w) of a sector's core.

    Args:
        raster: class values of the core and of more than `largest` pixels around it (less at the frame of the whole).
        codes: of the classes.
        core: where it lies in the raster.
        at: row and column on the grid of the raster's first pixel.
        sector: its number.
        largest: longest side of regions that are not cut where sectors meet.
        cell: side of the cells, counted from the grid's anchor; where sectors meet cells do.
        giant: corners from which on a region is cut along the cells.
    """
    raster = np.ascontiguousarray(raster)
    parent, firsts, ends = _extents(raster)
    large = (ends - firsts + 1).max(1) > largest
    frame = np.array([core[0].start, core[0].stop, core[1].start, core[1].stop])
    corners = _corners(raster, parent, large, frame)
    diced = corners > giant
    state = np.where(large, SECTOR + sum(sector) % 2, SMALL)
    out = np.empty((frame[1] - frame[0], frame[3] - frame[2]), codes.dtype)
    _coded(raster, parent, state, diced, codes.code_of, frame, np.array(at), cell, codes.nodata, out)
    return out


@numba.njit(cache=True, nogil=True)
def _extents(a):  # type: ignore[no-untyped-def]
    """(root of each provisional label; least and greatest row and column of each root)."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    parent = np.zeros(1 << 12, np.int32)
    top, left = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32)
    bottom, right = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32)
    count = 0
    for r in range(high):
        before = count
        count = label_row(a, r, above, here, count)
        parent, top, left = grown(parent, count), grown(top, count), grown(left, count)
        bottom, right = grown(bottom, count), grown(right, count)
        for i in range(before, count):
            parent[i], top[i], left[i], bottom[i], right[i] = i, r, wide, r, -1
        for c in range(wide):
            k = here[c]
            if c > 0 and here[c - 1] != k and a[r, c - 1] == a[r, c]:
                united(parent, k, here[c - 1])
            bottom[k] = r
            if c < left[k]:
                left[k] = c
            if c > right[k]:
                right[k] = c
        above, here = here, above
    parent = flattened(parent, count)
    for i in range(count):
        p = parent[i]
        top[p], left[p] = min(top[p], top[i]), min(left[p], left[i])
        bottom[p], right[p] = max(bottom[p], bottom[i]), max(right[p], right[i])
    firsts, ends = np.empty((count, 2), np.int64), np.empty((count, 2), np.int64)
    firsts[:, 0], firsts[:, 1], ends[:, 0], ends[:, 1] = top[:count], left[:count], bottom[:count], right[:count]
    return parent, firsts, ends


@numba.njit(cache=True, nogil=True)
def _corners(a, parent, large, frame):  # type: ignore[no-untyped-def]
    """Corners of the outline of each region (by root); of large ones only those in the frame (row, row, column, column)."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    corners = np.zeros(parent.shape[0], np.int64)
    four = np.zeros(4, np.int64)
    count = 0
    for r in range(high + 1):
        if r < high:
            count = label_row(a, r, above, here, count)
        for c in range(wide + 1):
            four[0] = parent[above[c - 1]] if r > 0 and c > 0 else -1
            four[1] = parent[above[c]] if r > 0 and c < wide else -1
            four[2] = parent[here[c - 1]] if r < high and c > 0 else -1
            four[3] = parent[here[c]] if r < high and c < wide else -1
            if four[0] == four[1] and four[2] == four[3]:
                continue  # no outline, or one that goes straight on
            if four[0] == four[2] and four[1] == four[3]:
                continue
            within = frame[0] <= r <= frame[1] and frame[2] <= c <= frame[3]
            for k in range(4):
                i = four[k]
                if i >= 0 and (within or not large[i]):
                    n = 0
                    for other in four:
                        n += other == i
                    if n == 1 or (n == 2 and four[3 - k] == i):
                        corners[i] += 1
                    elif n == 3 and four[3 - k] != i:
                        corners[i] += 1  # seen from the pixel in the elbow
        above, here = here, above
    return corners


@numba.njit(cache=True, nogil=True)
def _coded(a, parent, state, diced, code_of, frame, at, cell, nodata, out):  # type: ignore[no-untyped-def]
    wide = a.shape[1]
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    count = 0
    for r in range(frame[1]):
        count = label_row(a, r, above, here, count)
        if r >= frame[0]:
            row = (r + at[0]) // cell
            for c in range(frame[2], frame[3]):
                i = parent[here[c]]
                s = state[i]
                if diced[i] and a[r, c] != nodata:
                    s = DICED + (row + (c + at[1]) // cell) % 2
                out[r - frame[0], c - frame[2]] = code_of[a[r, c], s]
        above, here = here, above


@dataclass(frozen=True)
class Frame:
    """What a core's neighbours must know: its regions at its first row, last row, first column and last column, with their values and first pixels.

    `borders` holds (number of the region or -1, pixels) for each run along a side.
    """

    borders: tuple[Ints, Ints, Ints, Ints]
    values: Bytes
    first: Ints

    def border(self, side: int) -> Ints:
        """Number of the region at each pixel of a side."""
        numbers, counts = self.borders[side].T
        return np.repeat(numbers, counts)


def frame_of_core(core: Bytes, at: Pixel, skip: int) -> Frame:
    """Of a core's clean classes (h, w); `at`: row and column of its first pixel on the grid."""
    rings = trace_rings(core, skip=skip)
    top, bottom, left, right = rings.borders
    known = np.unique(np.concatenate(rings.borders))
    known = known[known >= 0]
    number = np.full(len(rings) + 1, -1, np.int64)
    number[known] = np.arange(len(known))
    borders = _runs(number[top]), _runs(number[bottom]), _runs(number[left]), _runs(number[right])
    return Frame(borders, rings.values[known], rings.first[known] + np.array(at))


def _runs(numbers: Ints) -> Ints:
    """(number, how many times) of each run."""
    heads = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    return np.column_stack([numbers[heads], np.diff(np.append(heads, len(numbers)))])


def wholes(frames: Mapping[Sector, Frame]) -> dict[Sector, dict[Pixel, Pixel]]:
    """By sector: first pixel of the whole region for the first pixel, in the core, of each of its regions that go on in another core."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    base, total = {}, 0
    for sector, frame in frames.items():
        base[sector], total = total, total + len(frame.values)
    pairs = [np.zeros((0, 2), np.int64)]
    for (row, col), frame in frames.items():
        for other, mine, theirs in (((row, col + 1), 3, 2), ((row + 1, col), 1, 0)):
            if other in frames:
                a, b = frame.border(mine), frames[other].border(theirs)
                both = (a >= 0) & (b >= 0)
                a, b = a[both], b[both]
                same = frame.values[a] == frames[other].values[b]
                pairs.append(np.unique(np.column_stack([a + base[row, col], b + base[other]])[same], axis=0))
    edges = np.concatenate(pairs)
    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(total, total))
    group = connected_components(graph, directed=False)[1]
    first = np.concatenate([np.zeros((0, 2), np.int64), *(f.first for f in frames.values())])
    order = np.lexsort((first[:, 1], first[:, 0], group))
    heads = np.flatnonzero(np.diff(group[order], prepend=-1))
    least = first[order[heads]][group] if total else first
    several = np.bincount(group)[group] > 1 if total else np.zeros(0, bool)
    found: dict[Sector, dict[Pixel, Pixel]] = {}
    for sector, frame in frames.items():
        chosen = np.flatnonzero(several[base[sector] : base[sector] + len(frame.values)])
        mine_first, whole_first = frame.first[chosen].tolist(), least[base[sector] + chosen].tolist()
        found[sector] = {(a, b): (c, d) for (a, b), (c, d) in zip(mine_first, whole_first, strict=True)}
    return found


def cut_from(
    core: npt.NDArray[np.unsignedinteger], codes: Codes, pieces: Ints, at: Pixel, whole_of: Mapping[Pixel, Pixel]
) -> list[Pixel | None]:
    """First pixel on the grid of the whole region that each of some pieces is cut from; None for what is whole.

    Args:
        core: codes (h, w).
        codes: what they mean.
        pieces: first pixel (N, 2) in the core of each piece.
        at: row and column of the core's first pixel on the grid.
        whole_of: see `wholes`.
    """
    states = codes.state_of[core[pieces[:, 0], pieces[:, 1]]]
    found: list[Pixel | None] = [None] * len(pieces)
    cut = np.flatnonzero(states != SMALL)
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


@numba.njit(cache=True, nogil=True)
def _firsts(a, pixels, order, found):  # type: ignore[no-untyped-def]
    """(root of each provisional label, where each label began); writes the provisional label of each pixel into `found`."""
    high, wide = a.shape
    above, here = np.zeros(wide, np.int32), np.zeros(wide, np.int32)
    parent, rows, cols = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.int32)
    count, k = 0, 0
    for r in range(high):
        before = count
        count = label_row(a, r, above, here, count)
        parent, rows, cols = grown(parent, count), grown(rows, count), grown(cols, count)
        new = before
        for c in range(wide):
            if here[c] == new and new < count:
                parent[new], rows[new], cols[new] = new, r, c
                new += 1
            if c > 0 and here[c - 1] != here[c] and a[r, c - 1] == a[r, c]:
                united(parent, here[c], here[c - 1])
        while k < order.shape[0] and pixels[order[k], 0] == r:
            found[order[k]] = here[pixels[order[k], 1]]
            k += 1
        above, here = here, above
    parent = flattened(parent, count)
    first = np.empty((count, 2), np.int64)
    first[:, 0], first[:, 1] = rows[:count], cols[:count]
    return parent, first

"""Which decoder process reads which part of a window.

A part always lies in whole columns of blocks, and the same columns go to the same process window after window: rows of
blocks that two windows share are then decoded once, and stay in the cache of the process that needs them again.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise

from geoseg.arrays import Image
from geoseg.limits import cores

__all__ = ["default_readers", "parts_of", "read_parts", "row_chunks"]

SMALLEST = 1 << 20
"""Pixels that a part has at least: for less, asking another process is not worth it."""
MOST_BY_DEFAULT = 8


def default_readers() -> int:
    """Decoder processes where the user names no number: one for every four cores, which a network keeps busy."""
    return max(1, min(MOST_BY_DEFAULT, cores() // 4))


def parts_of(rows: slice, cols: slice, block: tuple[int, int], readers: int) -> list[tuple[slice, slice]]:
    """Cut a window of a file for so many readers: along columns of its blocks, or rows where blocks are as wide as it.

    Args:
        rows: rows of the file.
        cols: columns of the file.
        block: rows and columns of its blocks, as they lie in the file.
        readers: parts at most.
    """
    most = min(readers, (rows.stop - rows.start) * (cols.stop - cols.start) // SMALLEST)
    if most < 2:
        return [(rows, cols)]
    if _blocks(cols, block[1]) > 1:
        return [(rows, part) for part in _cut(cols, block[1], most)]
    few = _blocks(rows, block[0]) // 2  # the next window may cut elsewhere, and a block then is decoded once more
    return [(part, cols) for part in _cut(rows, block[0], max(1, min(most, few)))]


def read_parts(
    pool: ThreadPoolExecutor,
    parts: list[tuple[slice, slice]],
    whole: Image,
    read: Callable[[int, tuple[slice, slice], Image], Image],
) -> None:
    """Fill an array (C, H, W) with the parts of its window, read side by side.

    `read` gets the number of the reader, its part, and the place in the array, which it may fill and return.
    """
    top, left = parts[0][0].start, parts[0][1].start

    def one(number: int, rows: slice, cols: slice) -> None:
        there = whole[:, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
        found = read(number, (rows, cols), there)
        if found is not there:
            there[...] = found

    coming = [pool.submit(one, i, *part) for i, part in enumerate(parts)]
    for part_read in coming:
        with suppress(CancelledError):
            part_read.exception()  # all have ended, also after an error: the array is the caller's again
    for done in coming:
        done.result()


def _blocks(along: slice, block: int) -> int:
    """Blocks that a range meets."""
    return int((along.stop - 1) // block - along.start // block + 1)


def _cut(along: slice, block: int, most: int) -> list[slice]:
    """Cut a range at borders of blocks, so that no part meets a block of another."""
    first, count = along.start // block, _blocks(along, block)
    parts = min(most, count)
    edges = [along.start, *(block * (first + count * i // parts) for i in range(1, parts)), along.stop]
    return [slice(a, b) for a, b in pairwise(edges)]


def row_chunks(first: int, last: int, rows: int, block: int) -> list[tuple[int, int]]:
    """Row ranges of about so many rows, cut where the file's blocks are."""
    step, found = max(block, rows // block * block), []
    while first < last:
        cut = min(last, (first // step + 1) * step)
        found.append((first, cut))
        first = cut
    return found

"""Streaming inference: one panel, patch rows from top to bottom, each source pixel read once.

rows (read ahead in a thread) -> patches of a patch row -> backend (CPU lanes or a CUDA device) -> scores
-> added to a strip, in lattice order -> rows that no later patch reaches -> sink
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Bytes, Image, Valid
from geoseg.classes import NODATA
from geoseg.geometry.footprint import footprint_reach, kept_patches
from geoseg.geometry.lattice import Lattice
from geoseg.predict.backend import AnyStrip, Backend, Pending, Rows
from geoseg.predict.weights import KeptWeights

__all__ = ["Ends", "Finished", "Read", "buffered_rows", "stream_panel"]


@dataclass(frozen=True)
class Finished:
    """Finished rows of a panel, the first of them `row` of the grid; 255 where not valid.

    `classes`, `confidence`: uint8 (H, W); `shares`: uint8 (K, H, W) in percent, or None; `aux`: scores beside the
    classes, uint8 (A, H, W) in percent.
    """

    row: int
    classes: Bytes
    confidence: Bytes
    shares: Bytes | None
    aux: Bytes


Read = Callable[[Window], tuple[Image, Valid]]
"""Window -> image (C, H, W) and validity (H, W)."""


@dataclass(frozen=True)
class Ends:
    """The two ends of a stream.

    `read` gives image and validity of any window, and is called from one thread. `sink` takes finished rows, as wide as
    the panel, from top to bottom. `footprint` gives the windows of the sheets that meet a window. `wanted` gives the
    pixels (H, W) of a window that are to be computed, None for all. `progress` is told the number of valid pixels that
    were just finished.
    """

    read: Read
    sink: Callable[[Finished], None]
    footprint: Callable[[Window], Iterable[Window]]
    wanted: Callable[[Window], Valid | None] = lambda window: None
    progress: Callable[[int], None] = lambda pixels: None


def buffered_rows(lattice: Lattice) -> int:
    """Rows of the buffer: it takes about 1024 new rows before those that are still needed move back to its start."""
    return lattice.patch + max(1, 1024 // lattice.stride) * lattice.stride


def _rows(
    read: Read, lattice: Lattice, ks: range, col: int, width: int, drain: Callable[[], None]
) -> Iterator[tuple[int, Rows]]:
    """Each patch row k with its rows, read ahead in a thread; rows that the last patch row had are not read again.

    All rows lie in one buffer, because fresh pages cost more than filling them. `drain` is called before any of them is
    overwritten. `col` and `width`: columns of the grid that are read.
    """
    side, stride = lattice.patch, lattice.stride
    windows = [
        Window(col, lattice.start(k) + (0 if i == 0 else side - stride), width, side if i == 0 else stride)
        for i, k in enumerate(ks)
    ]
    reader = ThreadPoolExecutor(1, thread_name_prefix="reader")
    try:
        coming = reader.submit(read, windows[0])
        top, capacity = -stride, buffered_rows(lattice)
        pixels: Image | None = None
        good = np.empty((capacity, width), bool)
        for i, k in enumerate(ks):
            new, new_valid = coming.result()
            if i + 1 < len(windows):
                coming = reader.submit(read, windows[i + 1])
            if pixels is None:
                pixels = np.empty((len(new), capacity, width), new.dtype)
            top += stride
            if top + side > capacity:
                drain()  # lanes may still cut patches from rows that are about to be overwritten
                kept = slice(top, top + side - stride)
                pixels[:, : side - stride], good[: side - stride] = pixels[:, kept], good[kept]
                top = 0
            fresh = slice(top + side - len(new_valid), top + side)
            pixels[:, fresh], good[fresh] = new, new_valid
            yield k, Rows(pixels, good, top)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)  # an error does not wait for a file that never ends


@dataclass(frozen=True)
class _Panel:
    """A panel while it is streamed: its pixels on the grid, the patches that are kept, its strip, and the ends."""

    window: Window
    lattice: Lattice
    kept: KeptWeights
    strip: AnyStrip
    ends: Ends
    probabilities: bool

    def needed(self, k: int, rows: Rows, left: int) -> Valid:
        """Wanted valid pixels (R, W) of patch row k without margins; the panel begins in column `left` of the rows."""
        margin, side = self.lattice.margin, self.lattice.patch
        inside = rows.valid[rows.top + margin : rows.top + side - margin, left:][:, : self.window.width]
        row = k * self.lattice.stride
        wanted = self.ends.wanted(Window(self.window.col_off, row, self.window.width, len(inside)))
        return inside if wanted is None else inside & wanted

    def patches(self, k: int, needed: Valid) -> list[int]:
        """Kept patches of row k whose positive weights reach a needed pixel of the panel."""
        row, window, lattice = k * self.lattice.stride, self.window, self.lattice
        part = needed[max(0, window.row_off - row) : max(0, window.row_off + window.height - row)]
        counts = np.concatenate([[0], np.cumsum(part.any(0))])
        inner, width = lattice.patch - 2 * lattice.margin, window.width
        found = []
        for j, kept in zip(self.kept.cols, self.kept.kept[k - self.kept.rows.start], strict=True):
            left = j * lattice.stride - window.col_off
            if kept and counts[min(width, left + inner)] > counts[max(0, left)]:
                found.append(j)
        return found

    def add(self, js: list[int], scores: Pending) -> None:
        """Add the scores of patches to the strip, when they are there."""
        for j, one in zip(js, scores.result(), strict=True):
            self.strip.add(one, j * self.lattice.stride - self.window.col_off)

    def finish_row(self, k: int, good: Valid) -> None:
        """Finish the first stride of rows of patch row k, and hand over those that lie in the panel."""
        rows, panel = self.lattice.stride, self.window
        for left, sums in self.kept.sums(k):
            self.strip.divide(sums, left)
        shares = self.strip.shares(rows) if self.probabilities else None
        aux = self.strip.beside(good)
        classes, confidence = self.strip.finish(good)
        if shares is not None:
            shares[:, ~good] = NODATA
        top = max(0, panel.row_off - k * rows)
        bottom = min(rows, panel.row_off + panel.height - k * rows)
        if bottom > top:
            part = slice(top, bottom)
            cut = None if shares is None else shares[:, part]
            self.ends.sink(Finished(k * rows + top, classes[part], confidence[part], cut, aux[:, part]))
            self.ends.progress(int(np.count_nonzero(good[part])))


def stream_panel(ends: Ends, lattice: Lattice, panel: Window, backend: Backend, *, probabilities: bool = False) -> int:
    """Class and confidence of every wanted, valid pixel of a panel, handed to the sink; returns the patches scored.

    Args:
        ends: where pixels come from, and where finished rows go.
        lattice: all patches.
        panel: the pixels of this panel.
        backend: scores and blends.
        probabilities: also hand over the shares of all classes.
    """
    ks = lattice.touching(panel.row_off, panel.row_off + panel.height)
    js = lattice.touching(panel.col_off, panel.col_off + panel.width)
    col = lattice.start(js[0])
    width = lattice.start(js[-1]) + lattice.patch - col
    kept = kept_patches(lattice, ends.footprint(footprint_reach(lattice, ks, js)), ks, js)
    weights = KeptWeights(lattice, kept, ks, js, panel.col_off, panel.width)
    work = _Panel(panel, lattice, weights, backend.strip(lattice, panel.width), ends, probabilities)
    pending: deque[Callable[[], None]] = deque()
    patches = 0

    def drain(left: int = 0) -> None:
        """Do what waits for scores, in order, until so much is left."""
        while len(pending) > left:
            pending.popleft()()

    for k, rows in _rows(ends.read, lattice, ks, col, width, drain):
        needed = work.needed(k, rows, panel.col_off - col)
        chosen = work.patches(k, needed)
        handle = backend.load(rows, lattice.patch) if chosen else None
        for at in range(0, len(chosen), backend.batch):
            group = chosen[at : at + backend.batch]
            starts = [lattice.start(j) - col for j in group]
            pending.append(partial(work.add, group, backend.submit(handle, starts, lattice.patch)))
            patches += len(group)
            drain(backend.depth)
        pending.append(partial(work.finish_row, k, needed[: lattice.stride]))
    drain()
    return patches

"""Streaming inference: one panel, patch rows from top to bottom, each source pixel read once.

A reader thread keeps the rows of the next patch row coming; patches are cut from them, scored by a backend (CPU lanes or a CUDA
device), added into a strip in lattice order, and rows that no later patch reaches go to the sink.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Bytes, Image, Valid
from geoseg.classes import NODATA
from geoseg.geometry.lattice import Lattice
from geoseg.predict.backend import AnyStrip, Backend, Rows

__all__ = ["Finished", "buffered_rows", "stream_panel"]


@dataclass(frozen=True)
class Finished:
    """Finished rows of a panel: class and confidence (H, W), shares (K, H, W) in percent or None; 255 where not valid."""

    row: int
    classes: Bytes
    confidence: Bytes
    shares: Bytes | None


Read = Callable[[Window], tuple[Image, Valid]]
Wanted = Callable[[Window], Valid | None]


def buffered_rows(lattice: Lattice) -> int:
    """Rows of the buffer: it takes about 1024 new ones before those still needed move back to its start."""
    return lattice.patch + max(1, 1024 // lattice.stride) * lattice.stride


def _rows(
    read: Read, lattice: Lattice, ks: range, col: int, width: int, drain: Callable[[], None]
) -> Iterator[tuple[int, Rows]]:
    """(k, rows) of each patch row, read ahead in a thread; only its new rows are read.

    All rows lie in one buffer (fresh pages cost more than filling them); `drain` is called before any is overwritten.
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
                drain()  # lanes may still cut from the rows that are about to be overwritten
                pixels[:, : side - stride], good[: side - stride] = (
                    pixels[:, top : top + side - stride],
                    good[top : top + side - stride],
                )
                top = 0
            pixels[:, top + side - len(new_valid) : top + side] = new
            good[top + side - len(new_valid) : top + side] = new_valid
            yield k, Rows(pixels, good, top)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)  # who leaves early does not wait for a file that never ends


def _columns(needed: Valid, lattice: Lattice, js: range, col_off: int) -> list[int]:
    """Patches of a row whose positive weights reach a needed pixel of the panel; `needed` is (R, W)."""
    counts = np.concatenate([[0], np.cumsum(needed.any(0))])
    inner, width = lattice.patch - 2 * lattice.margin, needed.shape[1]
    found = []
    for j in js:
        left = j * lattice.stride - col_off
        if counts[min(width, left + inner)] > counts[max(0, left)]:
            found.append(j)
    return found


def stream_panel(
    read: Read,
    wanted: Wanted,
    lattice: Lattice,
    panel: Window,
    backend: Backend,
    sink: Callable[[Finished], None],
    *,
    probabilities: bool = False,
    progress: Callable[[int], None] = lambda pixels: None,
) -> int:
    """Class and confidence of every wanted, valid pixel of a panel, handed to `sink` in row order; returns the patches scored.

    Args:
        read: window -> image (C, H, W) and validity (H, W); called from one thread.
        wanted: window -> pixels (H, W) that are to be computed; None for all.
        lattice: all patches.
        panel: the pixels of this panel.
        backend: scores and blends.
        sink: gets finished rows, panel width.
        probabilities: also hand over all classes' shares.
        progress: called with the number of pixels finished.
    """
    ks = lattice.touching(panel.row_off, panel.row_off + panel.height)
    js = lattice.touching(panel.col_off, panel.col_off + panel.width)
    col = lattice.start(js[0])
    width = lattice.start(js[-1]) + lattice.patch - col
    strip = backend.strip(lattice, panel.width)
    pending: deque[tuple[list[int], Future[Any] | None, tuple[int, Valid]]] = deque()
    patches = 0

    def collect() -> None:
        group, future, (k, good) = pending.popleft()
        if future is None:
            _finish_row(strip, lattice, panel, k, good, sink, probabilities, progress)
            return
        for j, scores in zip(group, future.result(), strict=True):
            strip.add(scores, j * lattice.stride - panel.col_off)

    def drain() -> None:
        while pending:
            collect()

    for k, rows in _rows(read, lattice, ks, col, width, drain):
        first, last = rows.top + lattice.margin, rows.top + lattice.patch - lattice.margin
        inside = rows.valid[first:last, panel.col_off - col :][:, : panel.width]
        row = k * lattice.stride
        chosen = wanted(Window(panel.col_off, row, panel.width, len(inside)))
        needed = inside if chosen is None else inside & chosen
        in_panel = slice(max(0, panel.row_off - row), max(0, panel.row_off + panel.height - row))
        row_patches = _columns(needed[in_panel], lattice, js, panel.col_off)
        handle = backend.load(rows, lattice.patch) if row_patches else None
        for at in range(0, len(row_patches), backend.batch):
            group = row_patches[at : at + backend.batch]
            starts = [lattice.start(j) - col for j in group]
            pending.append((group, backend.submit(handle, starts, lattice.patch), (k, needed)))
            patches += len(group)
            while len(pending) > backend.depth:
                collect()
        pending.append(([], None, (k, needed[: lattice.stride])))
    drain()
    return patches


def _finish_row(
    strip: AnyStrip,
    lattice: Lattice,
    panel: Window,
    k: int,
    good: Valid,
    sink: Callable[[Finished], None],
    probabilities: bool,
    progress: Callable[[int], None],
) -> None:
    """Finish the first stride of rows of patch row k and hand over those that lie in the panel."""
    rows = lattice.stride
    shares = strip.shares(rows) if probabilities else None
    classes, confidence = strip.finish(good)
    if shares is not None:
        shares[:, ~good] = NODATA
    top = max(0, panel.row_off - k * rows)
    bottom = min(rows, panel.row_off + panel.height - k * rows)
    if bottom > top:
        part = slice(top, bottom)
        sink(Finished(k * rows + top, classes[part], confidence[part], None if shares is None else shares[:, part]))
        progress(int(good[part].sum()))

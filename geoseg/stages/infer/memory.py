"""How wide a panel may be, so that it stays within the memory allowed."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from geoseg.errors import UsageError
from geoseg.geometry.lattice import Lattice
from geoseg.models.ensemble import Ensemble
from geoseg.options import InferOptions
from geoseg.plan import Plan
from geoseg.predict.stream import buffered_rows
from geoseg.sheets.readers.parts import default_readers
from geoseg.sheets.warp import CHUNK
from geoseg.stages.infer.block_sink import WRITERS

__all__ = ["resident", "widest_panel"]


WORK_MEMORY = 280 << 20  # what a small network and compression take at work beside the panel, measured

WARP_MEMORY = 16 * CHUNK**2  # for each band, floats of a chunk and of its source, as many pixels again and to spare

DECODER_MEMORY = 120 << 20  # what the process that decodes sheets takes, measured


@lru_cache(maxsize=1)
def resident() -> int:
    """Bytes that this process held when it was first asked: Python, torch and the network, before any engine worked.

    Builds of torch differ by hundreds of megabytes. Where the system does not tell, a usual figure is taken.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 900 << 20
    return pages * os.sysconf("SC_PAGE_SIZE")


def widest_panel(plan: Plan, lattice: Lattice, ensemble: Ensemble, options: InferOptions) -> int:
    """Blocks across a panel, so that its strip, rows and finished blocks stay within the memory allowed.

    Raises:
        UsageError: not even one block fits.
    """
    size, readers = plan.block, options.readers or default_readers()
    pixel = len(ensemble.aux) + (len(ensemble.classes.classes) if options.probabilities else 0) + 2  # of a block
    rows = _read_rows(plan, lattice, ensemble, readers) + 4 * lattice.patch * ensemble.scores + 2 * size * pixel
    base = resident() + WORK_MEMORY + readers * DECODER_MEMORY + WRITERS * size * size * pixel
    if any(s.mode == "warped" for s in plan.sheets):
        base += readers * WARP_MEMORY * (len(ensemble.card.bands) + 1)
    allowed = (4 << 30 if options.max_ram is None else options.max_ram) - base
    widest = allowed // (rows * size)
    if widest < 1:
        need = (base + rows * size) >> 20
        raise UsageError(
            "--max-ram",
            f"{_amount(allowed + base)}, but one block needs about {need} MiB",
            "allow more, or run tile with a smaller --block-size",
        )
    return int(min(widest, max(1, 32768 // size)))


def _read_rows(plan: Plan, lattice: Lattice, ensemble: Ensemble, readers: int) -> int:
    """Bytes for each column of a panel that pixels and their validity take: as they are read, kept, and decoded."""
    header, bands = plan.sheets[0].header, len(ensemble.card.bands)
    itemsize, side = np.dtype(header.dtype).itemsize, lattice.patch
    rows = buffered_rows(lattice) + 2 * side + 1024
    if readers > 1:
        rows += side if len(plan.sheets) > 1 else 0  # sheets that are read side by side, before they are put together
        rows += side + 2 * CHUNK if any(s.mode == "warped" for s in plan.sheets) else 0  # chunks on their way
    wide = any(s.header.block[1] >= s.header.width for s in plan.sheets)  # each decoder may keep rows of all columns
    cached = 2 * min(max(s.header.block[0] for s in plan.sheets), 4096) * max(bands, 3) * itemsize
    return rows * (bands * itemsize + 1) + cached * (readers if wide else 1)


def _amount(size: int) -> str:
    """Bytes in words: MiB, or what few bytes were probably meant to be."""
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes (did you mean {size}M?)"

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

__all__ = ["resident", "widest_panel"]


WORK_MEMORY = 280 << 20  # what a small network and compression take at work beside the panel, measured

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
    side, size, classes = lattice.patch, plan.block, ensemble.scores
    bands, itemsize = len(ensemble.card.bands), np.dtype(plan.sheets[0].header.dtype).itemsize
    rows = (
        (buffered_rows(lattice) + 2 * side + 1024) * (bands * itemsize + 1)
        + 4 * side * classes
        + 2 * size * (1 + (classes + 1 if options.probabilities else 1))
    )
    base = resident() + WORK_MEMORY + (options.readers or default_readers()) * DECODER_MEMORY
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


def _amount(size: int) -> str:
    """Bytes in words: MiB, or what few bytes were probably meant to be."""
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes (did you mean {size}M?)"

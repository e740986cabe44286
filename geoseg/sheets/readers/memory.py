"""Memory that a decoder process shares with the process that asks it: pixels pass through it without a pipe.

It is a file without a name (memfd_create), so no full /dev/shm matters. All of it is allocated when it is made, and its
size is sealed: a decoder that goes wrong can neither shrink it under its reader nor grow it. It has two halves. The
decoder fills one while the other is copied out.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from geoseg.arrays import Bytes, Image

__all__ = ["HALF", "NAME", "SharedPixels", "make_shared", "map_shared"]

NAME = "GEOSEG_SHARED_PIXELS"
"""The variable that tells a decoder process the number of the open file."""
HALF = 16 << 20
"""Bytes of each half."""


@dataclass(frozen=True)
class SharedPixels:
    """The memory, as this process sees it. `number`: the open file, until `release`."""

    memory: mmap.mmap
    number: int

    def bytes_of(self, turn: int, size: int) -> Bytes:
        """The first bytes of one half, uint8 (size,); halves take turns."""
        return np.frombuffer(self.memory, np.uint8, size, (turn % 2) * HALF)

    def room(self, turn: int, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> Image:
        """An array of this type and shape in one half."""
        return self.bytes_of(turn, int(np.prod(shape)) * dtype.itemsize).view(dtype).reshape(shape)

    def release(self) -> None:
        """Close the file; the memory stays."""
        os.close(self.number)

    def close(self) -> None:
        """Give the memory back, unless some of it is being copied."""
        with suppress(BufferError):
            self.memory.close()


def make_shared() -> SharedPixels | None:
    """New shared memory; None where the system has no such thing, or too little memory: pixels then take the pipe."""
    if not hasattr(os, "memfd_create"):
        return None
    import fcntl

    number = -1
    try:
        number = os.memfd_create("geoseg", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.posix_fallocate(number, 0, 2 * HALF)
        fcntl.fcntl(number, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return SharedPixels(mmap.mmap(number, 2 * HALF), number)
    except (OSError, ValueError):
        if number >= 0:
            os.close(number)
        return None


def map_shared() -> SharedPixels | None:
    """The memory that the process that started this one shares; None for none."""
    named = os.environ.get(NAME, "")
    if not named:
        return None
    try:
        return SharedPixels(mmap.mmap(int(named), 2 * HALF), int(named))
    except (OSError, ValueError):
        return None

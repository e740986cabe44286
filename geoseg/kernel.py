"""Numba kernels with types: `@kernel` compiles a function of arrays, and mypy still sees its signature.

Compiled code is kept on disk: beside the package or in the user's cache, as numba chooses, or, where both are
read-only (a service account without a home), in a private folder for temporary files.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import ParamSpec, TypeVar

import numba

__all__ = ["inline_kernel", "kernel"]

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function when it is first called: cached on disk, without the global lock, in plain IEEE arithmetic."""
    compiled: Callable[P, R] = numba.njit(cache=_can_cache(), nogil=True)(function)
    return compiled


def inline_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """As `kernel`, but the function is copied into each kernel that calls it, so that loops can be vectorised."""
    compiled: Callable[P, R] = numba.njit(cache=_can_cache(), nogil=True, inline="always")(function)
    return compiled


@lru_cache(maxsize=1)
def _can_cache() -> bool:
    """Whether numba has a place for compiled code; gives it one where it would find none."""
    if numba.config.CACHE_DIR or any(map(_is_writable, _usual_places())):
        return True
    place = _private_place()
    if place is None:
        log.warning("no writable place for compiled code: it is compiled anew each time (set NUMBA_CACHE_DIR)")
        return False
    numba.config.CACHE_DIR = str(place)
    return True


def _usual_places() -> tuple[Path, ...]:
    """The folders that numba itself tries (numba.core.caching): beside the code, then the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(__file__).parent / "__pycache__", Path(home) / "numba"


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made where it is missing."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    return False


def _private_place() -> Path | None:
    """A folder for temporary files that nobody else can write to: numba trusts what it finds there."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    with suppress(OSError):
        place = Path(tempfile.gettempdir()) / f"geoseg-compiled-{user}"
        place.mkdir(mode=0o700, exist_ok=True)
        facts = place.lstat()
        if stat.S_ISDIR(facts.st_mode) and facts.st_uid == user and not facts.st_mode & 0o077 and _is_writable(place):
            return place
    return None

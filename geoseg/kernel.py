"""Numba kernels with types: `@kernel` compiles a function of arrays, and mypy still sees its signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

__all__ = ["inline_kernel", "kernel"]

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function when it is first called: cached on disk, without the global lock, in plain IEEE arithmetic."""
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    return compiled


def inline_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """As `kernel`, but the function is copied into each kernel that calls it, so that loops can be vectorised."""
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True, inline="always")(function)
    return compiled

"""New processes: of geoseg's own modules, and ones that import nothing of the user's script (no `__main__` guard)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = ["child_environment", "module_command", "without_main"]


@contextmanager
def without_main() -> Iterator[None]:
    """Processes that are started by "spawn" in here get an empty `__main__`.

    Otherwise each of them would run the user's script once more, as it imports it (multiprocessing, "Programming
    guidelines"). What they are given must come from modules, as all of geoseg does.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def module_command(module: str) -> tuple[str, ...]:
    """The command that runs one of geoseg's modules in a process of its own."""
    return sys.executable, "-P", "-m", module


def child_environment() -> dict[str, str]:
    """The environment of such a process, in which it finds this geoseg."""
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}

"""New processes that import nothing of the user's script: no script and no notebook needs a `__main__` guard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

__all__ = ["without_main"]


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

"""Who hears of a night's work while it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["QUIET", "Listener"]


@dataclass(frozen=True)
class Listener:
    """Functions that hear of the work.

    `begin` is called before the stages, and not where nothing is new; `told` gets each stage's report; `progress`
    pixels done and to do; `step` the name of each step of the mosaic; `say` a line for a person.
    """

    begin: Callable[[], None] = lambda: None
    told: Callable[[object], None] = lambda report: None
    progress: Callable[[int, int], None] = lambda done, total: None
    step: Callable[[str], None] = lambda name: None
    say: Callable[[str], None] = logging.getLogger("geoseg.run").info


QUIET = Listener()

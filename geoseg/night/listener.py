"""Who hears of a night's work while it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from geoseg.progress import Progress, unheard

__all__ = ["QUIET", "Listener"]


@dataclass(frozen=True)
class Listener:
    """Functions that hear of the work.

    `begin` is called before the stages, and not where nothing is new; `told` gets each stage's report; `progress` hears
    how far each step is; `say` gets a line for a person.
    """

    begin: Callable[[], None] = lambda: None
    told: Callable[[object], None] = lambda report: None
    progress: Progress = unheard
    say: Callable[[str], None] = logging.getLogger("geoseg.run").info


QUIET = Listener()

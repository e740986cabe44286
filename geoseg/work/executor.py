"""What an executor is: whoever does tasks, in this process or elsewhere. Results do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from geoseg.work.task import Advance, Outcome, Task

__all__ = ["Executor"]


class Executor(Protocol):
    """Who does tasks; `workers`: how many at a time; `max_ram`: bytes that one task may take there, None for "as the options say"."""

    workers: int
    max_ram: int | None

    def map(
        self,
        tasks: Sequence[Task],
        *,
        here: Callable[[], Any],
        advance: Advance = lambda amount: None,
        ordered: bool = True,
    ) -> Iterator[tuple[Task, Outcome]]:
        """Each task with its outcome: what it gives, or an error of geoseg's.

        Args:
            tasks: what is to be done.
            here: makes what the tasks share, where they are done in this process; elsewhere each process loads it once.
            advance: is told how much is done, in the unit of the tasks' sizes.
            ordered: whether outcomes come in the order of the tasks, or as they are done.
        """
        ...

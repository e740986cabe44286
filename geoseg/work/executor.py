"""The interface of an executor, which does tasks in this process or elsewhere. Results do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from geoseg.work.task import Advance, Outcome, Result, Task, silent

__all__ = ["Executor"]


class Executor(Protocol):
    """Does tasks. `workers`: tasks at a time; `max_ram`: bytes that one may take, None for "as the options say"."""

    workers: int
    max_ram: int | None

    def map(
        self,
        tasks: Sequence[Task[Result]],
        *,
        here: Callable[[], object],
        advance: Advance = silent,
        ordered: bool = True,
    ) -> Iterator[tuple[Task[Result], Outcome[Result]]]:
        """Each task with its outcome: its result, or an error of geoseg.

        Args:
            tasks: the work.
            here: makes the context that the tasks share in this process; elsewhere each process loads it once.
            advance: is told how much was done.
            ordered: whether outcomes come in the order of the tasks, or as soon as they are there.
        """
        ...

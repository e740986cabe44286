"""This process does the tasks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from geoseg.work.task import Advance, Outcome, Task, silent

__all__ = ["LOCAL", "Local"]


class Local:
    """One task after the other, in this process; an error ends it."""

    workers = 1
    max_ram: int | None = None

    def map(
        self, tasks: Sequence[Task], *, here: Callable[[], Any], advance: Advance = silent, ordered: bool = True
    ) -> Iterator[tuple[Task, Outcome]]:
        """As `Executor.map`; errors are raised, not given."""
        context = here() if tasks else None
        for task in tasks:
            yield task, task.act(context, task.item, advance)


LOCAL = Local()

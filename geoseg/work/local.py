"""Tasks in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from geoseg.work.task import Advance, Outcome, Result, Task, silent

__all__ = ["LOCAL", "Local"]


class Local:
    """One task after the other, in this process; the first error ends it."""

    workers = 1
    max_ram: int | None = None

    def map(
        self,
        tasks: Sequence[Task[Result]],
        *,
        here: Callable[[], object],
        advance: Advance = silent,
        ordered: bool = True,
    ) -> Iterator[tuple[Task[Result], Outcome[Result]]]:
        """The tasks with their results, as `Executor.map`; but errors are raised."""
        context = here() if tasks else None
        for task in tasks:
            yield task, task.act(context, task.item, advance)


LOCAL = Local()

"""One kind of task, and the fence around it.

    task = fence (run, version, plan, key, attempt) + act (context, item) -> result

A task is small, holds no data, and can be done twice. Its worker loads what the fence names, once in each process,
and checks that the run folder is still as it was when the task was made: work that was cancelled may still run, and
must not write over the results of a newer plan or a newer mosaic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from geoseg.commit import digest, read_json
from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import version

__all__ = ["Advance", "Fence", "Outcome", "Result", "Task", "do", "results", "silent"]

Result = TypeVar("Result")

Advance = Callable[[int], None]
"""Is told how much was done, in the unit of the tasks' sizes."""
Outcome: TypeAlias = Result | GeosegError
"""The result of a task, or the error that it ended with."""


def silent(amount: int) -> None:
    """An `Advance` that shows nothing."""


@dataclass(frozen=True)
class Fence:
    """The run, and the state of it, that a task belongs to.

    `plan`: hash of plan.json; `key`: that of the job or mosaic; `attempt`: names a mosaic at work, "" for none.
    """

    run: str
    version: str
    plan: str
    key: str
    attempt: str = ""

    @classmethod
    def around(cls, run: Run, key: str, attempt: str = "") -> Fence:
        """The fence of work on a run as it is now."""
        return cls(str(run.folder.absolute()), version(), digest(run.plan_json), key, attempt)

    @property
    def folder(self) -> Run:
        """The run."""
        return Run(Path(self.run))

    def enter(self) -> None:
        """Check that this process can do the work at all.

        Raises:
            EnvironmentFault: it runs another geoseg, or does not see the run folder.
            PlanError: the run has changed since the task was made.
        """
        if self.version != version():
            what = f"runs geoseg {version()}, the work was begun with {self.version}"
            raise EnvironmentFault("this worker", what, "install the same version on all machines")
        if not self.folder.plan_json.exists():
            cure = "put the run folder on storage that all workers see under the same path"
            raise EnvironmentFault(self.run, "cannot be seen by a worker", cure)
        self.check()

    def check(self) -> None:
        """Check that nothing newer was begun. To be called before every commit.

        Raises:
            PlanError: the run was planned again, or another mosaic has begun.
        """
        if self.attempt:
            if read_json(self.folder.mosaic_json).get("attempt") != self.attempt:
                raise PlanError(self.run, "another mosaic has begun meanwhile", "run the same command again")
        elif digest(self.folder.plan_json) != self.plan:
            raise PlanError(self.run, "was planned again meanwhile", "run the same command again")


@dataclass(frozen=True)
class Task(Generic[Result]):
    """One piece of work.

    `act` makes the result of a context, the item and an `Advance`; `load` makes the context of the fence and the
    settings, once in each process. Both are functions of a module, so that a task is a few hundred bytes. `name` is
    for messages; `size` is for progress.
    """

    fence: Fence
    load: Callable[..., object]
    act: Callable[..., Result]
    settings: object
    item: object
    name: str
    size: int = 0


@lru_cache(maxsize=1)
def _context(load: Callable[..., object], fence: Fence, settings: object) -> object:
    return load(fence, settings)


def do(task: Task[Result]) -> Outcome[Result]:
    """Do a task on a worker. An error of geoseg is an outcome, as trying again would not help; others are raised."""
    try:
        task.fence.enter()
        return task.act(_context(task.load, task.fence, task.settings), task.item, silent)
    except GeosegError as error:
        return error


def results(outcomes: Iterable[tuple[Task[Result], Outcome[Result]]]) -> Iterator[Result]:
    """The results of tasks.

    Raises:
        GeosegError: the first error among the outcomes.
    """
    for _, outcome in outcomes:
        if isinstance(outcome, GeosegError):
            raise outcome
        yield outcome

"""One kind of task, and the fence around it.

    task = fence (run, version, plan, key, attempt) + act (context, item) -> result

A task is small, holds no data, and can be done twice. Whoever does it loads what its fence names, once in each process, and must
find the run folder as it was when the task was made: work that was cancelled may still run, and must not write over what a newer
plan or a newer mosaic has made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from geoseg.commit import digest, read_json
from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import version

__all__ = ["Advance", "Fence", "Outcome", "Task", "do", "results", "silent"]

Advance = Callable[[int], None]
Outcome = Any
"""What a task gives, or a GeosegError."""


def silent(amount: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Fence:
    """What a task belongs to. `plan` is the hash of plan.json, `key` that of the job or mosaic; `attempt` names a mosaic at work."""

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
            PlanError: the run is not what it was.
        """
        if self.version != version():
            what = f"runs geoseg {version()}, the work was begun with {self.version}"
            raise EnvironmentFault("this worker", what, "install the same on all")
        if not self.folder.plan_json.exists():
            cure = "put the run folder on storage that all workers see under the same path"
            raise EnvironmentFault(self.run, "cannot be seen by a worker", cure)
        self.check()

    def check(self) -> None:
        """Check that nobody has begun something newer; comes before everything that is committed.

        Raises:
            PlanError: the run was planned anew, or another mosaic has begun.
        """
        if self.attempt:
            if read_json(self.folder.mosaic_json).get("attempt") != self.attempt:
                raise PlanError(self.run, "another mosaic has begun meanwhile", "run the same command again")
        elif digest(self.folder.plan_json) != self.plan:
            raise PlanError(self.run, "was planned anew meanwhile", "run the same command again")


@dataclass(frozen=True)
class Task:
    """`act` makes a result of a context and an item; `load` makes the context of a fence and settings, once in each process.

    Both are functions of a module, so that a task is a few hundred bytes. `name` is for messages; `size` for progress.
    """

    fence: Fence
    load: Callable[[Fence, Any], Any]
    act: Callable[[Any, Any, Advance], Any]
    settings: Any
    item: Any
    name: str
    size: int = 0


@lru_cache(maxsize=1)
def _context(load: Callable[[Fence, Any], Any], fence: Fence, settings: Any) -> Any:
    return load(fence, settings)


def do(task: Task) -> Outcome:
    """A task on a worker. Errors of geoseg's are results: trying again would not help, unlike with those that are raised."""
    try:
        task.fence.enter()
        return task.act(_context(task.load, task.fence, task.settings), task.item, silent)
    except GeosegError as error:
        return error


def results(outcomes: Iterable[tuple[Task, Outcome]]) -> Iterator[Any]:
    """What tasks have given.

    Raises:
        GeosegError: the first error among them.
    """
    for _, found in outcomes:
        if isinstance(found, GeosegError):
            raise found
        yield found

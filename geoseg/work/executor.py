"""Executors: what one is, and which one does the tasks of a command. Results do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from geoseg.errors import UsageError
from geoseg.limits import cores
from geoseg.work.local import LOCAL
from geoseg.work.task import Advance, Outcome, Result, Task, silent

__all__ = ["Executor", "executor"]


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


MOST_PER_CORE = 4
"""Workers of the local cluster for each core: more only take memory."""


@contextmanager
def executor(
    workers: int = 0, scheduler: str = "", max_ram: int | None = None, device: str = "auto"
) -> Iterator[Executor]:
    """This process (no workers, no scheduler), a local cluster, or a remote one.

    Args:
        workers: processes of a local cluster, 0 for none. Where there are GPUs, each worker in turn gets one of them:
            as many workers as GPUs is right.
        scheduler: address of a remote one, tcp:// or tls://.
        max_ram: bytes for all local workers together.
        device: `--device`; where it bears a number (cuda:1), all workers use that GPU.

    Raises:
        UsageError: there are more than four workers for each core.
        EnvironmentFault: the scheduler cannot be reached, or no worker came up.
    """
    if not workers and not scheduler:
        yield LOCAL
        return
    if workers > MOST_PER_CORE * cores():
        what = f"{workers} on {cores()} cores, expected at most {MOST_PER_CORE} for each core"
        raise UsageError("--workers", what, f"use {cores()}, or --scheduler for other machines")
    from geoseg.work.dask import dask_executor  # a slow import

    with dask_executor(workers, scheduler, max_ram, device) as chosen:
        yield chosen

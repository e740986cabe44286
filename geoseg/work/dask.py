"""Tasks on Dask: a cluster on this machine, or a scheduler of yours. The only module that knows Dask.

Tasks are pure, small and can be done twice, so lost workers and retries are Dask's business. Whoever can reach a scheduler can run code on its workers:
the local cluster listens on 127.0.0.1 only, others belong on a network of their own or behind tls://.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.work.executor import Executor
from geoseg.work.local import LOCAL
from geoseg.work.task import Advance, Outcome, Task, do, silent

__all__ = ["DaskExecutor", "executor"]

log = logging.getLogger(__name__)

RETRIES = 2
"""How often a task is tried again after an error that is no error of geoseg's; Dask itself tries again what killed its worker."""
AHEAD = 3
"""Tasks for each worker that are under way at a time, or wait for their turn."""
RESULT_SECONDS = 10
"""Seconds to fetch a result from the worker that has it; pieces of vectors may be large."""
LARGEST = 4 << 30
"""Bytes that a task takes at most where workers have more: wider panels gain nothing."""
START = 120.0
"""Seconds that starting the workers may take: Python and torch may come over a network."""
SILENCE = 30.0
"""Seconds after which a scheduler that does not answer is lost."""


class DaskExecutor:
    """Tasks on Dask: a few for each worker are under way at a time, so that none waits long and results do not pile up."""

    def __init__(self, client: Any) -> None:
        self.client = client
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [int(w["memory_limit"]) for w in workers if w.get("memory_limit")]
        self.workers = max(1, len(workers))
        self.max_ram = min(int(0.8 * min(limits)), LARGEST) if limits else None

    def map(
        self, tasks: Sequence[Task], *, here: Callable[[], Any], advance: Advance = silent, ordered: bool = True
    ) -> Iterator[tuple[Task, Outcome]]:
        """As `Executor.map`. What still runs when this is left early is cancelled."""
        from distributed import as_completed

        left = list(reversed(list(enumerate(tasks))))
        under_way: dict[Any, tuple[int, Task, int]] = {}
        done: dict[int, tuple[Task, Outcome]] = {}
        waiting, turn = as_completed(), 0

        def submit(number: int, task: Task, more: int = RETRIES) -> None:
            future = self.client.submit(do, task, pure=False, retries=RETRIES)
            under_way[future] = number, task, more
            waiting.add(future)

        def fill() -> None:
            while left and len(under_way) + len(done) < AHEAD * self.workers:
                submit(*left.pop())

        try:
            fill()
            while under_way or done:
                future = next(waiting)
                number, task, more = under_way.pop(future)
                outcome = _outcome(future, task, final=not more)
                if outcome is LOST:  # what it committed is found, not made again
                    submit(number, task, more - 1)
                    continue
                done[number] = task, outcome
                future.release()
                if not isinstance(outcome, GeosegError):
                    advance(task.size)
                while done and (not ordered or turn in done):
                    yield done.pop(turn if ordered else next(iter(done)))
                    turn += 1
                    fill()
        finally:
            if self.client.status == "running":
                self.client.cancel(list(under_way), force=True)


LOST = object()
"""Instead of an outcome, where the worker that had it died."""


def _outcome(future: Any, task: Task, *, final: bool) -> Outcome:
    """What a task gave, an error of geoseg's that says what happened, or `LOST`; never that for the final try.

    Raises:
        EnvironmentFault: the scheduler was lost.
    """
    from distributed import KilledWorker
    from distributed import TimeoutError as Late

    if future.status == "finished":
        try:
            return future.result(timeout=None if final else RESULT_SECONDS)
        except (Late, OSError) as error:
            log.debug("the result of %s is lost: %s", task.name, error)
            return LOST
    if future.status == "cancelled":
        raise EnvironmentFault("the Dask scheduler", "was lost", "start it again, then run the same command again")
    if future.status == "lost" and not final:
        return LOST
    raised = future.exception()
    cure = "run the same command again; --workers 0 shows what happens without Dask"
    if isinstance(raised, KilledWorker):
        cure = "give the workers more memory, or " + cure
    return PlanError(task.fence.run, f"{task.name}: {type(raised).__name__}: {raised}", cure)


@contextmanager
def executor(
    workers: int = 0, scheduler: str = "", max_ram: int | None = None, device: str = "auto"
) -> Iterator[Executor]:
    """This process (no workers, no scheduler), a local cluster, or a remote one.

    Args:
        workers: processes of a local cluster; 0 for none. Where there are GPUs each gets one of them, in turn: as many workers as GPUs is right.
        scheduler: tcp:// or tls:// address.
        max_ram: bytes for all local workers together.
        device: as the user named it; one that bears a number (cuda:1) is for all workers.

    Raises:
        EnvironmentFault: the scheduler cannot be reached, or no worker came up.
    """
    if not workers and not scheduler:
        yield LOCAL
        return
    with _client(workers, scheduler, max_ram) as client:
        if workers and ":" not in device:
            _share_devices(client)
        yield DaskExecutor(client)


@contextmanager
def _client(workers: int, scheduler: str, max_ram: int | None) -> Iterator[Any]:
    import dask
    from distributed import Client

    quiet = {
        "distributed.comm.timeouts.connect": f"{SILENCE}s",
        "distributed.comm.timeouts.tcp": f"{SILENCE}s",
        "distributed.worker.memory.spill": False,  # tasks hold no results: spilling would only hide that memory is short
        "distributed.worker.memory.target": False,
    }
    with dask.config.set(quiet):
        if scheduler:
            with _connected(scheduler) as client:
                yield client
            return
        with _cluster(workers, max_ram) as cluster, Client(cluster) as client:
            client.wait_for_workers(workers, timeout=START)
            yield client


def _cluster(workers: int, max_ram: int | None) -> Any:
    """A scheduler in this process, and workers that are started as `python -m dask spec`.

    So a script that calls geoseg needs no `__main__` guard: Dask's own local cluster would start it again in each worker.
    """
    from distributed import Scheduler, SpecCluster
    from distributed.deploy.subprocess import SubprocessWorker

    class Worker(SubprocessWorker):  # type: ignore[misc]
        async def _start(self) -> None:
            spec = json.dumps({"cls": self.worker_class, "opts": self.worker_kwargs})
            command = [sys.executable, "-m", "dask", "spec", self.scheduler, "--spec", spec]
            quiet = {**os.environ, "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error"}
            self.process = await asyncio.create_subprocess_exec(*command, env=quiet)

    share = {} if max_ram is None else {"memory_limit": max_ram // workers}
    nanny = {
        "nthreads": 1,
        "host": "127.0.0.1",
        "env": _environment(workers),
        "silence_logs": logging.ERROR,
        "death_timeout": START,
        **share,
    }
    return SpecCluster(
        {number: {"cls": Worker, "options": {"worker_kwargs": {**nanny, "name": number}}} for number in range(workers)},
        {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}},  # any free port
        silence_logs=logging.ERROR,
    )


def _share_devices(client: Any) -> None:
    """One GPU for each worker in turn, also for one that is started again: it sees no other (CUDA_VISIBLE_DEVICES)."""
    from distributed import WorkerPlugin

    devices = _devices()
    if not devices:
        return

    class OneDevice(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:  # before any network is loaded there
            os.environ["CUDA_VISIBLE_DEVICES"] = devices[int(worker.name) % len(devices)]

    client.register_plugin(OneDevice(), name="one device")


def _devices() -> list[str]:
    """GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [d.strip() for d in named.split(",") if d.strip()]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


def _environment(workers: int) -> dict[str, str]:
    """Each worker gets its share of the cores."""
    lanes = max(
        1, (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) // workers
    )
    return {"GEOSEG_LANES": str(lanes), "OMP_NUM_THREADS": str(lanes), "OMP_WAIT_POLICY": "PASSIVE"}


@contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=SILENCE)
    except (OSError, TimeoutError, ValueError) as error:
        cure = "start it with `dask scheduler`, and name it as tcp://HOST:8786 or tls://HOST:8786"
        raise EnvironmentFault(scheduler, f"cannot be reached: {error}", cure) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SILENCE)
        except TimeoutError as error:
            cure = f"start one on each machine: dask worker {scheduler} --nthreads 1"
            raise EnvironmentFault(scheduler, "has no worker", cure) from error
        yield client

"""Tasks on Dask: a cluster on this machine, or a scheduler that is named. The only module that knows Dask.

Tasks are pure, small and can be done twice, so Dask may lose workers and try tasks again. Everybody who can talk to a
scheduler can run code on its workers: the local cluster listens on 127.0.0.1 only, and talks only to who holds the
certificate that it made for itself; others belong on a network of their own, or behind tls://.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Generic

from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.limits import cores
from geoseg.work.task import Advance, Outcome, Result, Task, do, silent

if TYPE_CHECKING:
    from distributed import Client, Future, Security, SpecCluster, Worker

__all__ = ["DaskExecutor", "dask_executor"]

log = logging.getLogger(__name__)

RETRIES = 2
"""How often a task is tried again after an error that is not geoseg's. Dask itself retries what killed a worker."""
AHEAD = 3
"""Tasks for each worker that are under way at a time, or wait for their turn."""
RESULT_SECONDS = 10
"""Seconds to fetch a result from the worker that has it; pieces of vectors may be large."""
LARGEST = 4 << 30
"""Bytes that a task takes at most, even where workers have more: wider panels gain nothing."""
START = 120.0
"""Seconds that starting the workers may take: Python and torch may come over a network."""
SILENCE = 30.0
"""Seconds after which a scheduler that does not answer is taken for lost."""


class DaskExecutor:
    """Tasks on Dask, a few for each worker at a time, so that none waits long and results do not pile up."""

    def __init__(self, client: Client) -> None:
        self.client = client
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [int(w["memory_limit"]) for w in workers if w.get("memory_limit")]
        self.workers = max(1, len(workers))
        self.max_ram = min(int(0.8 * min(limits)), LARGEST) if limits else None

    def map(
        self,
        tasks: Sequence[Task[Result]],
        *,
        here: Callable[[], object],
        advance: Advance = silent,
        ordered: bool = True,
    ) -> Iterator[tuple[Task[Result], Outcome[Result]]]:
        """The tasks with their outcomes, as `Executor.map`. Leaving early cancels the tasks that still run.

        Raises:
            EnvironmentFault: the scheduler was lost.
        """
        queue = _Queue(self.client, list(reversed(list(enumerate(tasks)))))
        done: dict[int, tuple[Task[Result], Outcome[Result]]] = {}
        turn = 0
        try:
            queue.fill(AHEAD * self.workers)
            while queue.under_way or done:
                number, task, outcome = queue.wait()
                done[number] = task, outcome
                if not isinstance(outcome, GeosegError):
                    advance(task.size)
                while done and (not ordered or turn in done):
                    yield done.pop(turn if ordered else next(iter(done)))
                    turn += 1
                    queue.fill(AHEAD * self.workers - len(done))
        finally:
            queue.cancel()


class _Queue(Generic[Result]):
    """Tasks that are still to come, last one first, and those that are under way."""

    def __init__(self, client: Client, left: list[tuple[int, Task[Result]]]) -> None:
        from distributed import as_completed

        self.client, self.left, self.completed = client, left, as_completed()
        self.under_way: dict[Future[Outcome[Result]], tuple[int, Task[Result], int]] = {}

    def fill(self, most: int) -> None:
        """Submit tasks until so many are under way."""
        while self.left and len(self.under_way) < most:
            self._submit(*self.left.pop(), RETRIES)

    def wait(self) -> tuple[int, Task[Result], Outcome[Result]]:
        """The next task that is done: its number, itself, its outcome."""
        while True:
            future = next(self.completed)
            number, task, more = self.under_way.pop(future)
            outcome = _outcome(future, task, final=not more)
            if isinstance(outcome, Lost):  # what it had committed is found, not made again
                self._submit(number, task, more - 1)
                continue
            future.release()
            return number, task, outcome

    def cancel(self) -> None:
        """Cancel what is under way."""
        if self.client.status == "running":
            self.client.cancel(list(self.under_way), force=True)

    def _submit(self, number: int, task: Task[Result], more: int) -> None:
        future = self.client.submit(do, task, pure=False, retries=RETRIES)
        self.under_way[future] = number, task, more
        self.completed.add(future)


class Lost(Enum):
    """Stands for the outcome of a task whose worker died."""

    RESULT = 0


def _outcome(future: Future[Outcome[Result]], task: Task[Result], *, final: bool) -> Outcome[Result] | Lost:
    """The outcome of a task; any other error becomes one of geoseg. A final try is never lost.

    Raises:
        EnvironmentFault: the scheduler was lost.
    """
    from distributed import KilledWorker
    from distributed import TimeoutError as Late

    if future.status == "finished":
        try:
            found: Outcome[Result] = future.result(timeout=None if final else RESULT_SECONDS)
            return found
        except (Late, OSError) as error:
            log.debug("the result of %s is lost: %s", task.name, error)
            return Lost.RESULT
    if future.status == "cancelled":
        raise EnvironmentFault("the Dask scheduler", "was lost", "start it again, then run the same command again")
    if future.status == "lost" and not final:
        return Lost.RESULT
    raised = future.exception()
    cure = "run the same command again; --workers 0 shows what happens without Dask"
    if isinstance(raised, KilledWorker):
        cure = "give the workers more memory, or " + cure
    return PlanError(task.fence.run, f"{task.name}: {type(raised).__name__}: {raised}", cure)


@contextmanager
def dask_executor(workers: int, scheduler: str, max_ram: int | None, device: str) -> Iterator[DaskExecutor]:
    """A local cluster, or a remote one; arguments and errors are those of `executor.executor`."""
    with _client(workers, scheduler, max_ram) as client:
        if workers and ":" not in device:
            _share_devices(client)
        yield DaskExecutor(client)


@contextmanager
def _client(workers: int, scheduler: str, max_ram: int | None) -> Iterator[Client]:
    import dask
    from distributed import Client, Security

    settings = {
        "distributed.comm.timeouts.connect": f"{SILENCE}s",
        "distributed.comm.timeouts.tcp": f"{SILENCE}s",
        # Tasks hold no results, so spilling would only hide that memory is short.
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.target": False,
        "distributed.scheduler.http.routes": [],  # no pages for anybody who finds the port
    }
    with dask.config.set(settings):
        if scheduler:
            with _connect(scheduler) as client:
                yield client
            return
        security = Security.temporary()
        with _cluster(workers, max_ram, security) as cluster, Client(cluster, security=security) as client:
            client.wait_for_workers(workers, timeout=START)
            yield client


def _cluster(workers: int, max_ram: int | None, security: Security) -> SpecCluster:
    """A scheduler in this process, and workers that are started as `python -m dask spec`.

    So a script that calls geoseg needs no `__main__` guard: Dask's own local cluster would run the script again in each
    worker. They get the certificate in their environment, which no other user can read.
    """
    from distributed import Scheduler, SpecCluster
    from distributed.deploy.subprocess import SubprocessWorker

    class Worker(SubprocessWorker):  # type: ignore[misc]
        async def _start(self) -> None:
            spec = json.dumps({"cls": self.worker_class, "opts": self.worker_kwargs})
            command = [sys.executable, "-m", "dask", "spec", self.scheduler, "--spec", spec]
            quiet = {**os.environ, **_worker_settings(security)}
            self.process = await asyncio.create_subprocess_exec(*command, env=quiet)

    share = {} if max_ram is None else {"memory_limit": max_ram // workers}
    nanny = {
        "nthreads": 1,
        "host": "127.0.0.1",
        "protocol": "tls://",
        "env": _environment(workers),
        "silence_logs": logging.ERROR,
        "death_timeout": START,
        **share,
    }
    scheduler = {
        "host": "127.0.0.1",
        "protocol": "tls://",
        "security": security,
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",  # any free port; nothing answers there
    }
    return SpecCluster(
        {number: {"cls": Worker, "options": {"worker_kwargs": {**nanny, "name": number}}} for number in range(workers)},
        {"cls": Scheduler, "options": scheduler},
        security=security,
        silence_logs=logging.ERROR,
    )


def _worker_settings(security: Security) -> dict[str, str]:
    """Settings of Dask for workers, as variables of their environment: silence, no pages, and the certificate."""
    names = {"tls_ca_file": "CA_FILE", "tls_worker_cert": "WORKER__CERT", "tls_worker_key": "WORKER__KEY"}
    return {
        "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error",
        "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
        "DASK_DISTRIBUTED__NANNY__HTTP__ROUTES": "[]",
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
        **{f"DASK_DISTRIBUTED__COMM__TLS__{name}": getattr(security, key) for key, name in names.items()},
    }


def _share_devices(client: Client) -> None:
    """Give each worker one GPU, in turn, also one that is started again: CUDA_VISIBLE_DEVICES shows it no other."""
    from distributed import WorkerPlugin

    devices = _devices()
    if not devices:
        return

    class OneDevice(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Worker) -> None:  # runs before any network is loaded there
            os.environ["CUDA_VISIBLE_DEVICES"] = devices[int(worker.name) % len(devices)]

    client.register_plugin(OneDevice(), name="one device")


def _devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [d.strip() for d in named.split(",") if d.strip()]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


def _environment(workers: int) -> dict[str, str]:
    """The environment of a worker, which has its share of the cores."""
    lanes = str(max(1, cores() // workers))
    return {"GEOSEG_LANES": lanes, "OMP_NUM_THREADS": lanes, "OMP_WAIT_POLICY": "PASSIVE"}


@contextmanager
def _connect(scheduler: str) -> Iterator[Client]:
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

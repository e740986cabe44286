"""Panels on Dask: a cluster on this machine, or a scheduler of yours. The only module that knows Dask.

Tasks are pure, small and can be done twice, so lost workers and retries are Dask's business. Whoever can reach a scheduler can run code on its workers:
the local cluster listens on 127.0.0.1 only, others belong on a network of their own or behind tls://.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from geoseg.errors import EnvironmentFault, PlanError
from geoseg.stages.infer.panel import Executor, InProcess, Outcome, PanelTask, Prepared, unless_error, work

__all__ = ["DaskExecutor", "executor"]

log = logging.getLogger(__name__)

RETRIES = 2
"""How often a panel is tried again after an error that is no error of geoseg's; Dask itself tries again what killed its worker."""
AHEAD = 3
"""Parts of a mosaic for each worker that are under way at a time."""
LARGEST = 4 << 30
"""Bytes that a panel takes at most where workers have more: wider panels gain nothing."""
SILENCE = 30.0
"""Seconds after which a scheduler that does not answer is lost."""


class DaskExecutor:
    """Panels as Dask tasks, up to three for each worker so that none waits long for the last one."""

    def __init__(self, client: Any) -> None:
        self.client = client
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [int(w["memory_limit"]) for w in workers if w.get("memory_limit")]
        self.workers = max(1, len(workers))
        self.max_ram = min(int(0.8 * min(limits)), LARGEST) if limits else None

    def run(
        self, tasks: list[PanelTask], prepared: Callable[[], Prepared], advance: Callable[[int], None]
    ) -> Iterator[tuple[PanelTask, Outcome]]:
        """As `Executor.run`. What still runs when this is left early is cancelled."""
        from distributed import as_completed

        def submitted(task: PanelTask) -> Any:
            return self.client.submit(work, task, pure=False, retries=RETRIES)

        futures = {submitted(task): (task, RETRIES) for task in tasks}
        waiting = as_completed(list(futures))
        try:
            for future in waiting:
                task, more = futures.pop(future)
                if (
                    future.status == "lost" and more
                ):  # its worker died after it; what it committed is not computed again
                    again = submitted(task)
                    futures[again] = task, more - 1
                    waiting.add(again)
                    continue
                outcome = _outcome(future, task)
                if isinstance(outcome, int):
                    advance(_pixels(task))
                yield task, outcome
        finally:
            if self.client.status == "running":
                self.client.cancel(list(futures), force=True)

    def each(self, work: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
        """As `Executor.each`."""
        left, futures = list(reversed(items)), deque[Any]()
        try:
            while left or futures:
                while (
                    left and len(futures) < AHEAD * self.workers
                ):  # results wait in the workers' memory until they are fetched
                    futures.append(self.client.submit(work, left.pop(), pure=False, retries=RETRIES))
                found = self._gathered(futures[0])
                futures.popleft().release()
                yield unless_error(found)
        finally:
            if self.client.status == "running":
                self.client.cancel(list(futures), force=True)

    def _gathered(self, future: Any) -> Any:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            return future.result()
        except CancelledError as error:
            cure = "start it again, then run the same command again"
            raise EnvironmentFault("the Dask scheduler", "was lost", cure) from error
        except KilledWorker as error:
            raise PlanError("a worker", f"died again and again: {error}", "give workers more memory") from error


def _pixels(task: PanelTask) -> int:
    from pathlib import Path

    from geoseg.stages.infer.infer import block_pixels

    return sum(block_pixels(Path(task.run), block) for block in task.blocks)


def _outcome(future: Any, task: PanelTask) -> Outcome:
    """Patches, or an error of geoseg's that says what happened."""
    if future.status == "finished":
        return _result(future)
    if future.status == "cancelled":
        raise EnvironmentFault("the Dask scheduler", "was lost", "start it again, then run the same command again")
    error = future.exception()
    what = f"{task.name}: {type(error).__name__}: {error}"
    return PlanError(task.run, what, "run the same command again; --workers 0 shows what happens without Dask")


def _result(future: Any) -> Outcome:
    """What the worker said; 0 patches where it has died since: its blocks are committed all the same."""
    from distributed import TimeoutError as Late

    try:
        found: Outcome = future.result(timeout=10)
        return found
    except (Late, OSError) as error:
        log.debug("the count of a panel is lost: %s", error)
        return 0


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
        yield InProcess()
        return
    with _client(workers, scheduler, max_ram) as client:
        if workers and ":" not in device:
            _share_devices(client)
        yield DaskExecutor(client)


@contextmanager
def _client(workers: int, scheduler: str, max_ram: int | None) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

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
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # any free port: None would want 8787, which the next night may hold
                memory_limit=max_ram // workers if max_ram else "auto",
                silence_logs=logging.ERROR,
                env=_environment(workers),
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client


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

"""Panels: the work that one process does at a time, here or on any worker that sees the run folder.

task (run folder, job, blocks) -> plan and job from the run folder, network loaded once -> stream -> blocks, each committed with its record

A task is small and can be done twice: whoever commits a block last commits the same bytes.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from geoseg.commit import digest
from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.geometry.grid import bounding, overlap, slices
from geoseg.geometry.lattice import Block, block_window, panels_of
from geoseg.models.files import load_model
from geoseg.plan import Plan, load_plan
from geoseg.predict.predictor import default_lanes, ensemble_of, make_backend
from geoseg.predict.region import Backend
from geoseg.predict.stream import Finished, stream_panel
from geoseg.runfolder.blocks import Part, write_block
from geoseg.runfolder.job import Job, block_key, fresh, load_job, version
from geoseg.sheets.decoder import PATIENCE, decoder
from geoseg.sheets.photo import Source, area_mask

__all__ = ["Executor", "InProcess", "Outcome", "PanelTask", "Prepared", "compute_panel", "work"]

Outcome = int | GeosegError
"""Patches that were scored, or what went wrong."""


@dataclass(frozen=True)
class PanelTask:
    """What a worker is told: a few hundred bytes. `job` and `plan` are hashes: whoever does it must find the same in the run folder."""

    run: str
    job: str
    plan: str
    blocks: tuple[Block, ...]
    device: str
    version: str
    read_timeout: float = PATIENCE

    @property
    def name(self) -> str:
        """Its blocks, for messages."""
        first, last = self.blocks[0], self.blocks[-1]
        return f"blocks {first[0]}_{first[1]} to {last[0]}_{last[1]}"


@dataclass(frozen=True)
class Prepared:
    """What all panels of a job share within one process."""

    plan: Plan
    job: Job
    names: tuple[str, ...]
    backend: Backend
    check: Callable[[], None] = lambda: None


class Executor(Protocol):
    """Who does the panels; `workers`: how many at a time; `max_ram`: bytes that one panel may take there, None for "as the options say"."""

    workers: int
    max_ram: int | None

    def run(
        self, tasks: list[PanelTask], prepared: Callable[[], Prepared], advance: Callable[[int], None]
    ) -> Iterator[tuple[PanelTask, Outcome]]:
        """Each task with its outcome, in any order; `advance` is told pixels as they are done."""
        ...

    def each(self, work: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
        """What a function makes of each item, in their order; a GeosegError that it returns is raised."""
        ...


class InProcess:
    """One panel after the other, in this process."""

    workers = 1
    max_ram: int | None = None

    def run(
        self, tasks: list[PanelTask], prepared: Callable[[], Prepared], advance: Callable[[int], None]
    ) -> Iterator[tuple[PanelTask, Outcome]]:
        """As `Executor.run`; the first error ends it."""
        ready = prepared()
        try:
            for task in tasks:
                yield task, compute_panel(ready, task, advance)
        finally:
            ready.backend.close()

    def each(self, work: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
        """As `Executor.each`."""
        return (unless_error(work(item)) for item in items)


def unless_error(found: Any) -> Any:
    """What was found; raises it where it is an error of geoseg's."""
    if isinstance(found, GeosegError):
        raise found
    return found


def work(task: PanelTask) -> Outcome:
    """A task on a worker. Errors of geoseg's are results: trying again would not help, unlike with those that are raised."""
    try:
        return _done(task)
    except GeosegError as error:
        return error


def _done(task: PanelTask) -> int:
    """Patches scored.

    Raises:
        EnvironmentFault: this worker does not see the run folder, or runs another geoseg.
        GeosegError: whatever the panel raises.
    """
    if task.version != version():
        raise EnvironmentFault(
            "this worker", f"runs geoseg {version()}, the job was begun with {task.version}", "install the same on all"
        )
    if not (Path(task.run) / "plan.json").exists():
        cure = "put the run folder on storage that all workers see under the same path"
        raise EnvironmentFault(task.run, "cannot be seen by a worker", cure)
    decoder().patience = task.read_timeout
    ready = _prepared(task.run, task.job, task.plan, task.device)
    missing = tuple(b for b in task.blocks if not fresh(Path(task.run), ready.plan, ready.job, b))
    return compute_panel(ready, replace(task, blocks=missing), lambda pixels: None) if missing else 0


@lru_cache(maxsize=1)
def _prepared(run: str, job_key: str, plan_hash: str, device: str) -> Prepared:
    """Plan, job and network of a run, loaded once in each worker."""

    def check() -> None:
        """What was cancelled may still run: it must not commit over what a newer plan has made."""
        if digest(Path(run) / "plan.json") != plan_hash:
            raise PlanError(run, "was planned anew meanwhile", "run the same command again")

    check()
    _keep_freed_memory()
    plan = load_plan(Path(run))
    job, classes, _ = load_job(Path(run))
    if job.key != job_key:
        raise PlanError(run, "was begun with another model or options meanwhile", "run the same command again")
    ensemble = ensemble_of([load_model(Path(path)) for path, _ in job.models])
    if [m.key for m in ensemble.models] != [key for _, key in job.models]:
        raise PlanError(run, "a model file was written again meanwhile", "run the same command again")
    lanes = _lanes()
    backend = make_backend(ensemble, job.facts, job.normalise, job.lattice.patch, device=device, lanes=lanes)
    return Prepared(plan, job, tuple(c["name"] for c in classes), backend, check)


def _keep_freed_memory() -> None:
    """Let glibc keep what a network frees, up to 64 MiB for each thread, as it does by itself in a process that Dask did not start.

    Dask's nanny has each freed array given back to the kernel at once (MALLOC_TRIM_THRESHOLD_), which suits results that wait in memory. A network takes
    and frees the same megabytes for each patch: half of a worker's time went into zeroing pages.
    """
    try:
        option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    trim, mmap = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    option(mmap, 32 << 20)
    option(trim, 64 << 20)


def _lanes() -> int:
    """Patches side by side in a worker: as many as it was given threads, else all cores."""
    return int(os.environ.get("GEOSEG_LANES", "0")) or default_lanes()


def compute_panel(ready: Prepared, task: PanelTask, advance: Callable[[int], None]) -> int:
    """Stream one panel and commit its blocks; returns the patches scored."""
    plan, job = ready.plan, ready.job
    patches = 0
    for panel in panels_of(task.blocks, plan.block, 1 << 30):
        window = _clipped(plan, panel.window)
        with (
            Source(plan, job.bands, width=window.width + 2 * job.lattice.patch) as source,
            ThreadPoolExecutor(1, "writer") as writer,
        ):
            sink = _BlockSink(Path(task.run), ready, window, set(panel.blocks), writer)
            patches += stream_panel(
                source.read,
                lambda w, sink=sink: sink.wanted(w),  # type: ignore[misc]
                job.lattice,
                window,
                ready.backend,
                sink,
                probabilities=job.probabilities,
                progress=advance,
            )
            sink.close()
    return patches


def _clipped(plan: Plan, panel: Window) -> Window:
    """A panel without the margins in which no sheet lies."""
    parts = [p for s in plan.meeting(panel) if (p := overlap(s.window, panel))]
    return overlap(bounding(parts), panel) or panel


class _BlockSink:
    """Collects finished rows of a panel into blocks and commits each as soon as it is whole."""

    def __init__(
        self,
        run: Path,
        ready: Prepared,
        panel: Window,
        stale: set[Block],
        writer: ThreadPoolExecutor,
    ) -> None:
        self.run, self.plan, self.job, self.panel, self.writer = run, ready.plan, ready.job, panel, writer
        self.names, self.check = list(ready.names), ready.check
        size = self.plan.block
        rows = range(panel.row_off // size, -(-(panel.row_off + panel.height) // size))
        cols = range(panel.col_off // size, -(-(panel.col_off + panel.width) // size))
        self.stale = {(r, c) for r in rows for c in cols} & stale
        self.full = len(self.stale) == len(rows) * len(cols)
        self.open: dict[Block, list[Any]] = {}
        self.pending: list[Future[Any]] = []
        self.since = time.monotonic()

    def wanted(self, window: Window) -> npt.NDArray[np.bool_] | None:
        """Pixels (H, W) in the area of interest and in a stale block; None for all."""
        if self.full and not self.plan.area:
            return None
        mask = area_mask(self.plan.area, self.plan.grid, window)
        if self.full:
            return mask
        inside = np.zeros_like(mask)
        for block in self._meeting(window):
            part = overlap(block_window(block, self.plan.block), window)
            assert part is not None  # `_meeting` gives blocks that meet the window
            inside[slices(part, window)] = True
        return mask & inside

    def _meeting(self, window: Window) -> Iterator[Block]:
        size = self.plan.block
        for row in range(window.row_off // size, (window.row_off + window.height - 1) // size + 1):
            for col in range(window.col_off // size, (window.col_off + window.width - 1) // size + 1):
                if (row, col) in self.stale:
                    yield row, col

    def __call__(self, rows: Finished) -> None:
        """Take finished rows; commit the blocks that end with them."""
        window = Window(self.panel.col_off, rows.row, self.panel.width, rows.classes.shape[0])
        size = self.plan.block
        for block in self._meeting(window):
            part, region = overlap(block_window(block, size), window), self._region(block)
            assert part is not None  # `_meeting` gives blocks that meet the window
            here, there = slices(part, region), slices(part, window)
            arrays = self.open.get(block) or self._opened(block)
            arrays[0][here], arrays[1][here] = rows.classes[there], rows.confidence[there]
            if rows.shares is not None:
                arrays[2][(slice(None), *here)] = rows.shares[(slice(None), *there)]
            if part.row_off + part.height == region.row_off + region.height:
                self._commit(block)

    def _region(self, block: Block) -> Window:
        """The part of a block that this panel fills; the rest holds no sheet."""
        region = overlap(block_window(block, self.plan.block), self.panel)
        assert region is not None  # `stale` holds blocks of this panel
        return region

    def _opened(self, block: Block) -> list[Any]:
        """Arrays for the region, not filled: every row of the panel arrives."""
        region = self._region(block)
        shape = (region.height, region.width)
        shares = np.empty((len(self.names), *shape), np.uint8) if self.job.probabilities else None
        self.open[block] = [np.empty(shape, np.uint8), np.empty(shape, np.uint8), shares]
        return self.open[block]

    def _commit(self, block: Block) -> None:
        classes, confidence, shares = self.open.pop(block)
        region, key, now = self._region(block), block_key(self.plan, self.job, block), time.monotonic()
        seconds, self.since = now - self.since, now
        while len(self.pending) > 1 or (self.pending and self.pending[0].done()):
            self.pending.pop(0).result()  # bounds memory, and raises what went wrong while writing
        self.check()
        part = Part(region, classes, confidence, shares)
        self.pending.append(self.writer.submit(write_block, self.run, self.plan, block, key, part, self.names, seconds))

    def close(self) -> None:
        """Wait until every block is on disk."""
        assert not self.open  # the panel ends where its last blocks' regions end
        for future in self.pending:
            future.result()

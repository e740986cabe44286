"""A panel: the work that one process does at a time, here or on any worker that sees the run folder.

fence -> plan and job from the run folder, network loaded once -> stream -> blocks, each committed with its record
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rasterio.windows import Window

from geoseg.errors import PlanError
from geoseg.geometry.blocks import Block, panels_of
from geoseg.geometry.grid import bounding, overlap
from geoseg.models.ensemble import ensemble_of
from geoseg.models.files import load_model
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Plan
from geoseg.predict.backend import Backend
from geoseg.predict.build import default_lanes, make_backend
from geoseg.predict.stream import Ends, stream_panel
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job
from geoseg.runfolder.state import state_of
from geoseg.sheets.photo import Photo
from geoseg.sheets.readers.parts import default_readers
from geoseg.stages.infer.block_sink import WRITERS, BlockSink
from geoseg.work.task import Advance, Fence

__all__ = ["Blocks", "PanelContext", "PanelSettings", "compute_panel", "load_context", "panel_name"]

Blocks = tuple[Block, ...]


@dataclass(frozen=True)
class PanelSettings:
    """What changes how a panel is computed, not what comes out."""

    device: str = "auto"
    read_timeout: float = READ_TIMEOUT
    readers: int | None = None


@dataclass(frozen=True)
class PanelContext:
    """What all panels of a job share within one process.

    `names`, `aux`: of the classes, and of the scores beside them. `check` comes before each commit.
    """

    blocks: Path
    plan: Plan
    job: Job
    names: tuple[str, ...]
    aux: tuple[str, ...]
    backend: Backend
    settings: PanelSettings
    stale: Callable[[Blocks], list[Block]] = list
    check: Callable[[], None] = lambda: None


def panel_name(blocks: Blocks) -> str:
    """A panel for messages: its first and its last block."""
    first, last = blocks[0], blocks[-1]
    return f"blocks {first[0]}_{first[1]} to {last[0]}_{last[1]}"


def load_context(fence: Fence, settings: PanelSettings) -> PanelContext:
    """Plan, job and network of a run, for a worker.

    Raises:
        PlanError: the run was begun with something else meanwhile.
        ModelError: a network cannot be loaded here.
    """
    _keep_freed_memory()
    run = fence.folder
    plan, job, table = run.plan, run.job, run.table
    if job.key != fence.key:
        raise PlanError(fence.run, "was begun with another model or options meanwhile", "run the same command again")
    ensemble = ensemble_of([load_model(Path(path)) for path, _ in job.models])
    if [m.key for m in ensemble.models] != [key for _, key in job.models]:
        raise PlanError(fence.run, "a model file was written again meanwhile", "run the same command again")
    backend = make_backend(
        ensemble, job.facts, job.normalise, job.lattice.patch, device=settings.device, lanes=_lanes()
    )
    names = tuple(c.name for c in table.classes)
    stale = partial(_stale, run, plan, job)
    return PanelContext(run.blocks, plan, job, names, ensemble.aux, backend, settings, stale, fence.check)


def _stale(run: Run, plan: Plan, job: Job, blocks: Blocks) -> list[Block]:
    """Blocks of a task that nobody has committed yet: it may have been done once before."""
    return state_of(run, plan, job, blocks, keep=False).stale


def _keep_freed_memory() -> None:
    """Let glibc keep freed memory, up to 64 MiB for each thread, as it does in a process that Dask did not start.

    Dask's nanny has each freed array given back to the kernel at once (MALLOC_TRIM_THRESHOLD_). That suits results
    that wait in memory. A network takes and frees the same megabytes for each patch: half of a worker's time went
    into zeroing pages.
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


def compute_panel(context: PanelContext, blocks: Blocks, advance: Advance) -> int:
    """Stream one panel and commit its blocks; returns the patches scored."""
    plan, job = context.plan, context.job
    patches = 0
    for panel in panels_of(context.stale(blocks), plan.block, 1 << 30):
        window = _clipped(plan, panel.window)
        width = window.width + 2 * job.lattice.patch
        patience, readers = context.settings.read_timeout, context.settings.readers or default_readers()
        with (
            Photo(plan, job.bands, width=width, patience=patience, readers=readers) as photo,
            ThreadPoolExecutor(WRITERS, "writer") as writer,
        ):
            sink = BlockSink(context, window, set(panel.blocks), writer)
            ends = Ends(photo.read, sink, plan.footprint, sink.wanted, advance)
            patches += stream_panel(ends, job.lattice, window, context.backend, probabilities=job.probabilities)
            sink.close()
    return patches


def _clipped(plan: Plan, panel: Window) -> Window:
    """A panel without the margins in which no sheet lies."""
    parts = [p for s in plan.meeting(panel) if (p := overlap(s.window, panel))]
    return overlap(bounding(parts), panel) or panel

"""geoseg infer: plan.json + a network -> class and confidence blocks, each committed with its record.

    plan, models -> lattice, engine (decided once) -> stale blocks -> panels -> stream -> blocks

A rerun computes only the blocks whose record does not bear the key of what would go into them now.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from geoseg.commit import LEFT_BEHIND, sweep
from geoseg.errors import EnvironmentFault, GeosegError, ModelError, PlanError, SheetError
from geoseg.geometry.blocks import Block, shard_of
from geoseg.geometry.lattice import Lattice
from geoseg.gis.plan_drawing import draw_plan
from geoseg.models.ensemble import Ensemble, ensemble_of
from geoseg.models.facts import EngineFacts
from geoseg.models.files import load_model, shipped_model
from geoseg.options import InferOptions
from geoseg.plan import Plan, plan_blocks
from geoseg.predict.build import default_lanes, make_backend
from geoseg.predict.choice import compiling
from geoseg.progress import Progress, Steps, unheard
from geoseg.runfolder.at_work import watched_by_status
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job
from geoseg.runfolder.shards import Shard, mark_done, shard_name
from geoseg.runfolder.state import State, state_of
from geoseg.stages.infer.lost import go_on_without
from geoseg.stages.infer.memory import widest_panel
from geoseg.stages.infer.panel import PanelContext, PanelSettings, compute_panel, load_context, panel_name
from geoseg.stages.infer.settle import fitted_job, save_job
from geoseg.stages.infer.share import needed_patches, pixels_to_do, share_out
from geoseg.work.executor import Executor
from geoseg.work.local import LOCAL
from geoseg.work.task import Fence, Task

__all__ = ["INFER_STEPS", "InferOptions", "InferReport", "infer"]

log = logging.getLogger(__name__)

PLANNING = 120.0  # seconds that a shard waits while another one settles the plan

INFER_STEPS = ("network", "patches")
"""Loading and settling the network, which may compile; and computing."""


@dataclass(frozen=True)
class InferReport:
    """What was computed. `patches` counts all, of `lattice`; `twice` those needed on both sides of a panel border."""

    blocks: int
    computed: int
    patches: int
    twice: int
    megapixels: float
    seconds: float
    engine: EngineFacts
    lattice: Lattice
    quarantined: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """One `infer` at work: where, with which networks and options, by whom, and which share of the blocks.

    `steps`: hears of the work; `renewed`: sheets that were written again meanwhile and planned anew.
    """

    run: Run
    ensemble: Ensemble
    options: InferOptions
    executor: Executor
    shard: Shard | None
    steps: Steps
    renewed: set[str] = field(default_factory=set)

    def planning(self) -> AbstractContextManager[None]:
        """The lock of the plan: a single `infer` holds it all the time, a shard only while it looks at the plan."""
        return nullcontext() if self.shard is None else self.run.lock(patience=PLANNING)

    def settle(self) -> tuple[Plan, Job]:
        """The plan as it is now, and the job that follows from it; without sheets that turn out to be damaged."""
        with self.planning():
            plan = self.run.plan
            try:
                job = fitted_job(self.run, plan, self.ensemble, self.options, partial(self.steps.doing, "network"))
            except SheetError as error:  # a sample of the sheets was read
                go_on_without(self.run, error, plan, self.renewed, self.options.read_timeout)
            else:
                save_job(self.run, self.ensemble, job)
                return plan, job
        return self.settle()

    def share(self, plan: Plan) -> list[Block]:
        """The blocks that are ours."""
        blocks = plan_blocks(plan)
        return blocks if self.shard is None else shard_of(blocks, *self.shard)


@dataclass
class Counts:
    """What was computed so far, over all revisions of the plan."""

    blocks: set[Block] = field(default_factory=set)
    patches: int = 0
    twice: int = 0


def infer(
    run: Run | Path,
    options: InferOptions | None = None,
    progress: Progress = unheard,
    *,
    executor: Executor = LOCAL,
    shard: Shard | None = None,
) -> InferReport:
    """Class and confidence of every valid pixel of a planned run, or of one shard's part of it.

    Args:
        run: folder that `tile` made.
        options: see `InferOptions`; no model means the shipped one.
        progress: hears how far each step is.
        executor: who does the panels. Results do not depend on it.
        shard: (index from 0, count): only this share of the blocks. Shards may work at the same time, on any hosts that
            see the folder.

    Raises:
        PlanError: no plan.
        ModelError: the model cannot be used, or not with these sheets.
        UsageError: options that contradict each other.
        Busy: another process works on this run, or on this shard of it.
    """
    options = options or InferOptions()
    run = Run(Run.of(run).folder.absolute())
    _ = run.plan  # an error where there is none, before anything is locked
    name = "plan" if shard is None else shard_name(shard)
    with run.lock(name), watched_by_status(run, "infer", name, progress) as hear:
        steps = Steps(INFER_STEPS, hear)
        steps.at("network")
        for place in (run.blocks, run.blocks / "probabilities"):
            sweep(place, 0 if shard is None else LEFT_BEHIND)  # other shards may be writing there
        ensemble = ensemble_of([load_model(p) for p in (options.model or (shipped_model(),))])
        return _infer(Work(run, ensemble, options, executor, shard, steps))


def _infer(work: Work) -> InferReport:
    started, counts = time.monotonic(), Counts()
    plan, job = work.settle()
    state = state_of(work.run, plan, job, work.share(plan))
    drawn = _draw(work, plan, job) if state.stale else None
    while state.stale:
        damaged = _compute(work, plan, job, state, counts)
        if damaged is not None:  # damage that shows only now: go on without that sheet
            with work.planning():
                go_on_without(work.run, damaged, plan, work.renewed, work.options.read_timeout)
        elif work.run.plan == plan and state_of(work.run, plan, job, state.stale).stale:
            what = "blocks are out of date just after they were computed"
            raise PlanError(work.run.folder, what, "run the same command again")
        plan, job = work.settle()
        state = state_of(work.run, plan, job, work.share(plan))
    if drawn not in (None, plan):
        _draw(work, plan, job)
    if work.shard is not None:
        mark_done(work.run, work.shard, plan)
    records = state_of(work.run, plan, job, counts.blocks).records
    return InferReport(
        blocks=len(state.blocks),
        computed=len(counts.blocks),
        patches=counts.patches,
        twice=counts.twice,
        megapixels=sum(r.pixels for r in records.values()) / 1e6,
        seconds=time.monotonic() - started,
        engine=job.facts,
        lattice=job.lattice,
        quarantined=tuple(q.path for q in plan.quarantined),
    )


def _draw(work: Work, plan: Plan, job: Job) -> Plan | None:
    """Draw the patches that the network really sees, if they differ from the plan's; returns that plan."""
    if work.shard is not None or job.lattice == plan.lattice:
        return None
    draw_plan(work.run.patches_gpkg, replace(plan, lattice=job.lattice))
    return plan


def _compute(work: Work, plan: Plan, job: Job, state: State, counts: Counts) -> SheetError | None:
    """Stream all panels of the stale blocks; the error of a sheet that turns out to be damaged, else None."""
    try:
        patches, needed = _panels_done(work, plan, job, state)
    except SheetError as error:
        return error
    counts.blocks.update(state.stale)
    counts.patches += patches
    counts.twice += max(0, patches - needed)
    return None


def _panels_done(work: Work, plan: Plan, job: Job, state: State) -> tuple[int, int]:
    """(patches scored, patches that one panel alone would have scored).

    Raises:
        PlanError: some panels failed; all others were done first.
        GeosegError: what no other panel would escape.
    """
    executor, needed = work.executor, needed_patches(plan, job, state.stale)
    tasks = _tasks(work, plan, job, state.stale, needed)
    log.info("%d blocks in %d panels, %s", len(state.stale), len(tasks), job.facts)
    total, done, patches = pixels_to_do(plan, state.stale), 0, 0
    failed: list[tuple[Task[int], GeosegError]] = []

    def advance(pixels: int) -> None:
        nonlocal done
        done += pixels
        work.steps.at("patches", done, total, "px")

    with ExitStack() as stack:
        here = lambda: _context(work, plan, job, stack, total)
        for task, outcome in executor.map(tasks, here=here, advance=advance, ordered=False):
            if isinstance(outcome, (SheetError, EnvironmentFault, ModelError)):
                raise outcome
            if isinstance(outcome, GeosegError):
                log.error("%s", outcome)
                failed.append((task, outcome))
            else:
                patches += outcome
    if failed:
        what = f"{len(failed)} of {len(tasks)} panels failed, the first one ({failed[0][0].name}): {failed[0][1]}"
        raise PlanError(work.run.folder, what, "the others are done; the same command tries these again")
    return patches, needed if len(tasks) > 1 else patches


def _tasks(work: Work, plan: Plan, job: Job, stale: list[Block], needed: int) -> list[Task[int]]:
    """A task for each panel: as many as keep all workers busy, none so wide that it takes too much memory."""
    executor, options = work.executor, work.options
    if executor.max_ram is not None:
        options = replace(options, max_ram=min(executor.max_ram, options.max_ram or executor.max_ram))
    widest = widest_panel(plan, job.lattice, work.ensemble, options)
    panels = share_out(plan, job, stale, widest, executor.workers, needed)
    fence = Fence.around(work.run, job.key)
    settings = PanelSettings(options.device, options.read_timeout, options.readers)
    return [
        Task(
            fence,
            load_context,
            compute_panel,
            settings,
            panel.blocks,
            panel_name(panel.blocks),
            pixels_to_do(plan, panel.blocks),
        )
        for panel in panels
    ]


def _context(work: Work, plan: Plan, job: Job, stack: ExitStack, total: int) -> PanelContext:
    """What panels share that are done in this process; computing begins when it is there."""
    lanes = work.options.threads or default_lanes()
    device = work.options.device
    work.steps.doing("network", compiling(job.facts.engine, job.facts.precision))
    backend = make_backend(work.ensemble, job.facts, job.normalise, job.lattice.patch, device=device, lanes=lanes)
    stack.callback(backend.close)
    names = tuple(c.name for c in work.ensemble.classes.classes)
    settings = PanelSettings(device, work.options.read_timeout, work.options.readers)
    work.steps.at("patches", 0, total, "px")
    return PanelContext(work.run.blocks, plan, job, names, work.ensemble.aux, backend, settings)

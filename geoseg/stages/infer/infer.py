"""geoseg infer: plan.json + a network -> class and confidence blocks, each committed with its record.

    plan, models -> lattice, engine (decided once) -> stale blocks -> panels -> stream -> blocks

A rerun computes only the blocks whose record does not bear the key of what would go into them now.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from geoseg.classes import NODATA
from geoseg.commit import commit_json, commit_state, digest, read_json, sweep
from geoseg.errors import EnvironmentFault, GeosegError, ModelError, PlanError, SheetError, UsageError
from geoseg.geometry.grid import overlap
from geoseg.geometry.lattice import Block, Lattice, block_window, panels_of, shard_of
from geoseg.models.files import load_model, shipped_model
from geoseg.plan import Plan, load_plan, save_plan
from geoseg.predict.predictor import EngineFacts, Ensemble, decide, default_lanes, ensemble_of, make_backend
from geoseg.predict.stream import Normalise, buffered_rows
from geoseg.runfolder.blocks import read_record
from geoseg.runfolder.job import Job, block_key, fresh, version
from geoseg.runfolder.lease import held, lease
from geoseg.runfolder.records import records_of
from geoseg.sheets.decoder import PATIENCE, decoder
from geoseg.sheets.photo import Source
from geoseg.stages.infer.fit import bands_of, fitted_lattice, normalise_of, ratio_of
from geoseg.stages.infer.panel import Executor, InProcess, PanelTask, Prepared
from geoseg.stages.planned import draw_plan, plan_blocks

__all__ = ["InferOptions", "InferReport", "infer", "shards_in", "shards_pending"]

log = logging.getLogger(__name__)

FEWEST = 64  # patches that a panel should have where the work is shared out: those at its edges are scored twice
PLANNING = 120.0  # seconds that a shard waits while another one settles the plan
WORK_MEMORY = 280 << 20  # what a small network and compression take at work beside the panel, measured
DECODER_MEMORY = 120 << 20  # what the process that decodes sheets takes, measured


@dataclass(frozen=True)
class InferOptions:
    """Options of `geoseg infer`; the command line's help says what each one means."""

    models: tuple[Path, ...] = ()
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    tta: str = "none"
    probabilities: bool = False
    value_range: tuple[float, float] | None = None
    resample: bool = False
    threads: int | None = None
    max_ram: int | None = None
    read_timeout: float = PATIENCE


@dataclass(frozen=True)
class InferReport:
    """What was computed. `patches` counts every call, `twice` those that were needed on both sides of a panel border."""

    blocks: int
    computed: int
    patches: int
    twice: int
    megapixels: float
    seconds: float
    engine: EngineFacts
    quarantined: tuple[str, ...]


def infer(
    run: Path,
    options: InferOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    executor: Executor | None = None,
    shard: tuple[int, int] | None = None,
) -> InferReport:
    """Class and confidence of every valid pixel of a planned run, or of one shard's part of it.

    Args:
        run: folder that `tile` made.
        options: see `InferOptions`; no model means the shipped one.
        progress: called with the pixels done and to do.
        executor: who does the panels; this process if None. Results do not depend on it.
        shard: (index from 0, count): only this share of the blocks; any number of shards may work at once, on any hosts that see the folder.

    Raises:
        PlanError: no plan, or a sheet was written again since.
        ModelError: the model cannot be used, or not with these sheets.
        UsageError: options that contradict each other.
        Busy: another process works on this run, or on this shard of it.
    """
    options = options or InferOptions()
    decoder().patience = options.read_timeout
    run = run.absolute()
    load_plan(run)
    with lease(run) if shard is None else lease(run, f"shard_{shard[0] + 1}_of_{shard[1]}"):
        for place in (run / "blocks", run / "blocks" / "probabilities"):
            sweep(place)
        return _infer(run, options, progress, executor or InProcess(), shard)


def _infer(
    run: Path,
    options: InferOptions,
    progress: Callable[[int, int], None],
    executor: Executor,
    shard: tuple[int, int] | None,
) -> InferReport:
    started = time.monotonic()
    ensemble = ensemble_of([load_model(p) for p in (options.models or (shipped_model(),))])
    computed: set[Block] = set()
    patches = twice = 0
    drawn: Plan | None = None
    while True:
        plan = load_plan(run)
        try:
            with nullcontext() if shard is None else lease(run, patience=PLANNING):
                plan = load_plan(run)
                job = _job(run, plan, ensemble, options)
                _save_job(run, ensemble, job)
            blocks = plan_blocks(plan)
            mine = blocks if shard is None else shard_of(blocks, *shard)
            records = records_of(run, mine)
            stale = [b for b in mine if b not in records or records[b].key != block_key(plan, job, b)]
            if not stale:
                break
            if shard is None and job.lattice != plan.lattice and drawn is None:
                drawn = plan
                draw_plan(run, replace(plan, lattice=job.lattice))
            counts = _compute(run, plan, ensemble, job, stale, options, progress, executor)
        except SheetError as error:  # damage that shows only now: go on without that sheet
            if error.subject not in {s.path for s in plan.sheets}:
                raise
            log.error("%s", error)
            stat = next(s.stat for s in plan.sheets if s.path == error.subject)
            with nullcontext() if shard is None else lease(run, patience=PLANNING):
                _set_aside(run, error, stat)
            continue
        if load_plan(run) == plan and any(not fresh(run, plan, job, b) for b in stale):
            raise PlanError(run, "blocks are out of date just after they were computed", "run the same command again")
        computed.update(stale)
        patches, twice = patches + counts[0], twice + counts[1]
    if drawn not in (None, plan):
        draw_plan(run, replace(plan, lattice=job.lattice))
    if shard is not None:
        commit_json(_done_path(run, shard), {"planned": plan.planned})
    pixels = sum(block_pixels(run, b) for b in computed)
    return InferReport(
        blocks=len(mine),
        computed=len(computed),
        patches=patches,
        twice=twice,
        megapixels=pixels / 1e6,
        seconds=time.monotonic() - started,
        engine=job.facts,
        quarantined=tuple(q.path for q in plan.quarantined),
    )


def _set_aside(run: Path, error: SheetError, stat: tuple[int, int]) -> None:
    """A new plan revision without a sheet; nothing where another shard has done it, or where the file has been written again and planned anew."""
    plan = load_plan(run)
    if stat not in [s.stat for s in plan.sheets if s.path == error.subject]:
        return
    changed = plan.without(error.subject, error.what, error.cure)
    if not changed.sheets:
        raise UsageError(error.subject, f"{error.what}; no usable sheet is left", error.cure) from error
    save_plan(run, changed)


def _done_path(run: Path, shard: tuple[int, int]) -> Path:
    return run / "locks" / f"shard_{shard[0] + 1}_of_{shard[1]}.done"


def shards_in(run: Path, plan: Plan, count: int) -> bool:
    """Whether all shards of this plan have ended once."""
    return all(_is_of(_done_path(run, (i, count)), plan) for i in range(count))


def shards_pending(run: Path, plan: Plan) -> bool:
    """Whether a shard is at work, or some of this plan have ended: the others are to follow."""
    return bool(held(run, "shard_*")) or any(_is_of(p, plan) for p in (run / "locks").glob("shard_*.done"))


def _is_of(path: Path, plan: Plan) -> bool:
    return path.exists() and read_json(path).get("planned") == plan.planned


def block_pixels(run: Path, block: Block) -> int:
    """Valid pixels of a committed block."""
    record = read_record(run, block)
    return sum(n for value, n in record.counts.items() if value != NODATA) if record else 0


def _job(run: Path, plan: Plan, ensemble: Ensemble, options: InferOptions) -> Job:
    """Fit the models to the run and settle the engine; a decision taken earlier for the same question stands."""
    card = ensemble.card
    ratio = ratio_of(plan.gsd, card, options.resample)
    lattice = fitted_lattice(plan, card, ensemble.margin, ratio)
    _widest(plan, lattice, ensemble, options)  # refuse too little memory before anything is compiled
    bands, normalise = bands_of(plan, card), normalise_of(plan, card, options.value_range)
    question = {
        "models": [m.key for m in ensemble.models],
        "asked": [options.engine, options.device, options.precision, options.batch_size, options.tta, str(ratio)],
        "patch": lattice.patch,
    }
    facts = _earlier_facts(run, question)
    if facts is None:
        facts = decide(
            ensemble,
            engine=options.engine,
            device=options.device,
            precision=options.precision,
            batch=options.batch_size,
            tta=options.tta,
            ratio=ratio,
            patch=lattice.patch,
            sample=lambda n: _sample(plan, bands, normalise, lattice.patch, n),
        )
        commit_state(run / "engine.json", {"question": question, "facts": facts.to_json()})
    models = tuple((str(m.path.absolute()), m.key) for m in ensemble.models)
    return Job(lattice, facts, models, bands, normalise, options.probabilities)


def _earlier_facts(run: Path, question: dict[str, Any]) -> EngineFacts | None:
    path = run / "engine.json"
    if not path.exists():
        return None
    stored = read_json(path)
    return EngineFacts(**stored["facts"]) if stored.get("question") == question else None


def _sample(
    plan: Plan, bands: dict[str, tuple[int, ...]], normalise: Normalise, side: int, number: int
) -> npt.NDArray[np.float32]:
    """Up to so many standardised patches (n, C, P, P) from the middle of sheets spread over the run."""
    chosen = plan.sheets[:: max(1, len(plan.sheets) // number)][:number]
    spots = [(s, share) for s in chosen for share in ((0.5,) if len(chosen) == number else (0.3, 0.5, 0.7))][:number]
    patches = []
    with Source(plan, bands, width=side) as source:
        for sheet, share in spots:
            w = sheet.window
            col, row = (int(o + (n - side) * share) for o, n in ((w.col_off, w.width), (w.row_off, w.height)))
            image, valid = source.read(Window(col, row, side, side))
            scaled = (image.astype(np.float32) - normalise.mean[:, None, None]) / normalise.std[:, None, None]
            patches.append(np.where(valid, scaled, 0).astype(np.float32))
    return np.stack(patches) if patches else np.zeros((0, 1, side, side), np.float32)


def _save_job(run: Path, ensemble: Ensemble, job: Job) -> None:
    """infer.json: what `mosaic` needs to know, and what a person may want to."""
    value = {
        "job": job.key,
        "lattice": job.lattice.to_json(),
        "engine": job.facts.to_json(),
        "models": [
            {
                "path": str(m.path.absolute()),
                "sha256": m.sha256,
                "key": m.key,
                **{k: getattr(m.card, k) for k in ("name", "good_for", "not_good_for", "licence")},
            }
            for m in ensemble.models
        ],
        "classes": ensemble.classes.to_json(),
        "bands": {p: list(b) for p, b in job.bands.items()},
        "mean": job.normalise.mean.tolist(),
        "std": job.normalise.std.tolist(),
        "probabilities": job.probabilities,
    }
    if _stored(run / "infer.json") != value:
        commit_state(run / "infer.json", value)


def _stored(path: Path) -> Any:
    """What was written earlier; None where that is nothing, or damaged."""
    try:
        return read_json(path) if path.exists() else None
    except PlanError as error:
        log.warning("%s; it is written again", error)
        return None


@lru_cache(maxsize=1)
def resident() -> int:
    """Bytes that this process held when it was first asked, before any engine worked: Python, torch (builds differ by hundreds of MB) and the network; a usual figure where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 900 << 20
    return pages * os.sysconf("SC_PAGE_SIZE")


def _widest(plan: Plan, lattice: Lattice, ensemble: Ensemble, options: InferOptions) -> int:
    """Blocks across a panel, so that its strip, rows and finished blocks stay within the memory allowed.

    Raises:
        UsageError: not even one block fits.
    """
    side, size, classes = lattice.patch, plan.block, len(ensemble.classes)
    bands, itemsize = len(ensemble.card.bands), np.dtype(plan.sheets[0].header.dtype).itemsize
    rows = (
        (buffered_rows(lattice) + 2 * side + 1024) * (bands * itemsize + 1)
        + 4 * side * classes
        + 2 * size * (1 + (classes + 1 if options.probabilities else 1))
    )
    base = resident() + WORK_MEMORY + DECODER_MEMORY
    allowed = (4 << 30 if options.max_ram is None else options.max_ram) - base
    widest = allowed // (rows * size)
    if widest < 1:
        need = (base + rows * size) >> 20
        raise UsageError(
            "--max-ram",
            f"{(allowed + base) >> 20} MiB, but one block needs about {need} MiB",
            "allow more, or run tile with a smaller --block-size",
        )
    return int(min(widest, max(1, 32768 // size)))


def _compute(
    run: Path,
    plan: Plan,
    ensemble: Ensemble,
    job: Job,
    stale: list[Block],
    options: InferOptions,
    progress: Callable[[int, int], None],
    executor: Executor,
) -> tuple[int, int]:
    """Stream all panels of the stale blocks; returns (patches scored, patches scored a second time)."""
    if executor.max_ram is not None:
        options = replace(options, max_ram=min(executor.max_ram, options.max_ram or executor.max_ram))
    widest = _widest(plan, job.lattice, ensemble, options)
    needed = _needed_patches(plan, job, stale)
    wished = max(executor.workers, min(3 * executor.workers, needed // FEWEST))
    panels = panels_of(stale, plan.block, widest, wished=wished)
    planned = digest(run / "plan.json")
    tasks = [
        PanelTask(
            str(run),
            job.key,
            planned,
            p.blocks,
            options.device,
            version(),
            options.read_timeout,
        )
        for p in panels
    ]
    log.info("%d blocks in %d panels, %s", len(stale), len(panels), job.facts)
    total, done, patches = _pixels_to_do(plan, stale), 0, 0
    failed: list[tuple[PanelTask, GeosegError]] = []

    def advance(pixels: int) -> None:
        nonlocal done
        done += pixels
        progress(done, total)

    def made() -> Prepared:
        lanes = options.threads or default_lanes()
        backend = make_backend(
            ensemble, job.facts, job.normalise, job.lattice.patch, device=options.device, lanes=lanes
        )
        return Prepared(plan, job, tuple(c.name for c in ensemble.classes.classes), backend)

    for task, outcome in executor.run(tasks, made, advance):
        if isinstance(outcome, (SheetError, EnvironmentFault, ModelError)):
            raise outcome
        if isinstance(outcome, GeosegError):
            log.error("%s", outcome)
            failed.append((task, outcome))  # it fails alone: the other panels are finished first
        else:
            patches += outcome
    if failed:
        task, error = failed[0]
        what = f"{len(failed)} of {len(tasks)} panels failed, the first one ({task.name}): {error}"
        raise PlanError(run, what, "the others are done; the same command tries these again")
    return patches, max(0, patches - needed) if len(panels) > 1 else 0


def _pixels_to_do(plan: Plan, stale: list[Block]) -> int:
    """Upper bound of the pixels to compute, for progress: sheets' footprints in stale blocks, overlaps counted once per block."""
    total = 0
    for block in stale:
        window = block_window(block, plan.block)
        parts = [p for s in plan.meeting(window) if (p := overlap(s.window, window))]
        total += min(plan.block**2, sum(p.width * p.height for p in parts))
    return total


def _needed_patches(plan: Plan, job: Job, blocks: list[Block]) -> int:
    """Patches that reach a sheet inside these blocks, each counted once (by footprints, not by pixels)."""
    found: set[tuple[int, int]] = set()
    for block in blocks:
        window = block_window(block, plan.block)
        for part in (overlap(s.window, window) for s in plan.meeting(window)):
            if part is not None:
                rows = job.lattice.touching(part.row_off, part.row_off + part.height)
                cols = job.lattice.touching(part.col_off, part.col_off + part.width)
                found.update((r, c) for r in rows for c in cols)
    return len(found)

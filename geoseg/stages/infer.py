"""geoseg infer: plan.json + a network -> class and confidence blocks, each committed with its record.

    plan, models -> lattice, engine (decided once) -> stale blocks -> panels -> stream -> blocks

A rerun computes only the blocks whose record does not bear the key of what would go into them now.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from geoseg.classes import NODATA
from geoseg.errors import SheetError, UsageError
from geoseg.geometry.grid import bounding, grown, overlap, slices
from geoseg.geometry.lattice import Block, Lattice, block_window, panels_of
from geoseg.io.blocks import Part, read_record, write_block
from geoseg.io.commit import commit_json, read_json
from geoseg.io.lease import lease
from geoseg.io.model_file import load_model, shipped_model
from geoseg.io.plan import Plan, load_plan, save_plan
from geoseg.io.source import Source, area_mask
from geoseg.predict.predictor import EngineFacts, Ensemble, decide, default_lanes, ensemble_of, make_backend
from geoseg.predict.stream import Finished, Normalise, buffered_rows, stream_panel
from geoseg.stages.fitting import bands_of, fitted_lattice, normalise_of, ratio_of
from geoseg.stages.tile import draw_plan, plan_blocks

__all__ = ["InferOptions", "InferReport", "Job", "block_key", "infer", "load_job"]

log = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]
BASE_MEMORY = 900 << 20  # Python, torch and a small network


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


@dataclass(frozen=True)
class Job:
    """Everything that decides the pixels of a run besides its sheets."""

    lattice: Lattice
    facts: EngineFacts
    models: tuple[tuple[str, str], ...]
    bands: dict[str, tuple[int, ...]]
    normalise: Normalise
    probabilities: bool

    @property
    def key(self) -> str:
        """Hash of all of it except the bands of each sheet."""
        parts = [
            self.lattice.to_json(),
            self.facts.to_json(),
            [key for _, key in self.models],
            self.normalise.mean.tolist(),
            self.normalise.std.tolist(),
            self.probabilities,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def infer(
    run: Path, options: InferOptions | None = None, progress: Callable[[int, int], None] = lambda done, total: None
) -> InferReport:
    """Class and confidence of every valid pixel of a planned run.

    Args:
        run: folder that `tile` made.
        options: see `InferOptions`; no model means the shipped one.
        progress: called with the pixels done and to do.

    Raises:
        PlanError: no plan, or a sheet was written again since.
        ModelError: the model cannot be used, or not with these sheets.
        UsageError: options that contradict each other.
    """
    options = options or InferOptions()
    load_plan(run)
    with lease(run):
        return _infer(run, options, progress)


def _infer(run: Path, options: InferOptions, progress: Callable[[int, int], None]) -> InferReport:
    started = time.monotonic()
    plan = load_plan(run)
    ensemble = ensemble_of([load_model(p) for p in (options.models or (shipped_model(),))])
    computed: set[Block] = set()
    patches = twice = 0
    while True:
        try:
            job = _job(run, plan, ensemble, options)
            stale = [b for b in plan_blocks(plan) if not _fresh(run, plan, job, b)]
            _save_job(run, ensemble, job)
            if not stale:
                break
            counts = _compute(run, plan, ensemble, job, stale, options, progress)
        except SheetError as error:  # damage that shows only now: go on without that sheet
            if error.subject not in {s.path for s in plan.sheets}:
                raise
            log.error("%s", error)
            plan = plan.without(error.subject, error.what, error.cure)
            if not plan.sheets:
                raise UsageError(error.subject, f"{error.what}; no usable sheet is left", error.cure) from error
            save_plan(run, plan)
            continue
        computed.update(stale)
        patches, twice = patches + counts[0], twice + counts[1]
    pixels = sum(block_pixels(run, b) for b in computed)
    return InferReport(
        blocks=len(plan_blocks(plan)),
        computed=len(computed),
        patches=patches,
        twice=twice,
        megapixels=pixels / 1e6,
        seconds=time.monotonic() - started,
        engine=job.facts,
        quarantined=tuple(q.path for q in plan.quarantined),
    )


def block_pixels(run: Path, block: Block) -> int:
    """Valid pixels of a committed block."""
    record = read_record(run, block)
    return sum(n for value, n in record.counts.items() if value != NODATA) if record else 0


def block_key(plan: Plan, job: Job, block: Block) -> str:
    """Hash of all that decides a block's pixels: job, grid, and in order the sheets that its patches reach."""
    reach = grown(block_window(block, plan.block), job.lattice.patch)
    sheets = [f"{s.key}|{job.bands.get(s.path)}" for s in plan.sheets if overlap(s.window, reach)]
    parts = [job.key, plan.grid.to_json(), plan.block, block, plan.nodata, plan.area, sheets]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _fresh(run: Path, plan: Plan, job: Job, block: Block) -> bool:
    record = read_record(run, block)
    return record is not None and record.key == block_key(plan, job, block)


def _job(run: Path, plan: Plan, ensemble: Ensemble, options: InferOptions) -> Job:
    """Fit the models to the run and settle the engine; a decision taken earlier for the same question stands."""
    card = ensemble.card
    ratio = ratio_of(plan.gsd, card, options.resample)
    lattice = fitted_lattice(plan, card, ensemble.margin, ratio)
    _widest(plan, lattice, ensemble, options)  # refuse too little memory before anything is compiled
    if lattice != plan.lattice:
        draw_plan(run, replace(plan, lattice=lattice))
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
        commit_json(run / "engine.json", {"question": question, "facts": facts.to_json()})
    models = tuple((str(m.path), m.key) for m in ensemble.models)
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
    commit_json(
        run / "infer.json",
        {
            "job": job.key,
            "lattice": job.lattice.to_json(),
            "engine": job.facts.to_json(),
            "models": [
                {
                    "path": str(m.path),
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
        },
    )


def load_job(run: Path) -> tuple[Job, list[dict[str, Any]], list[dict[str, Any]]]:
    """(job, class table as JSON, models as JSON) that `infer` left.

    Raises:
        PlanError: `infer` has not finished here.
    """
    value = read_json(run / "infer.json")
    job = Job(
        lattice=Lattice(**value["lattice"]),
        facts=EngineFacts(**value["engine"]),
        models=tuple((m["path"], m["key"]) for m in value["models"]),
        bands={p: tuple(b) for p, b in value["bands"].items()},
        normalise=Normalise(np.array(value["mean"], np.float32), np.array(value["std"], np.float32)),
        probabilities=bool(value["probabilities"]),
    )
    return job, value["classes"], value["models"]


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
    allowed = (4 << 30 if options.max_ram is None else options.max_ram) - BASE_MEMORY
    widest = allowed // (rows * size)
    if widest < 1:
        need = (BASE_MEMORY + rows * size) >> 20
        raise UsageError(
            "--max-ram",
            f"{(allowed + BASE_MEMORY) >> 20} MiB, but one block needs about {need} MiB",
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
) -> tuple[int, int]:
    """Stream all panels of the stale blocks; returns (patches scored, patches scored a second time)."""
    widest = _widest(plan, job.lattice, ensemble, options)
    panels = panels_of(stale, plan.block, widest)
    log.info("%d blocks in %d panels, %s", len(stale), len(panels), job.facts)
    lanes = options.threads or default_lanes()
    backend = make_backend(ensemble, job.facts, job.normalise, job.lattice.patch, device=options.device, lanes=lanes)
    names = [c.name for c in ensemble.classes.classes]
    total, done, patches = _pixels_to_do(plan, stale), 0, 0

    def advance(pixels: int) -> None:
        nonlocal done
        done += pixels
        progress(done, total)

    try:
        for window in (_clipped(plan, p.window) for p in panels):
            with (
                Source(plan, job.bands, width=window.width + 2 * job.lattice.patch) as source,
                ThreadPoolExecutor(1, "writer") as writer,
            ):
                sink = _BlockSink(run, plan, job, window, set(stale), names, writer)
                patches += stream_panel(
                    source.read,
                    lambda w, sink=sink: sink.wanted(w),  # type: ignore[misc]
                    job.lattice,
                    window,
                    backend,
                    sink,
                    probabilities=job.probabilities,
                    progress=advance,
                )
                sink.close()
    finally:
        backend.close()
    return patches, max(0, patches - _needed_patches(plan, job, stale)) if len(panels) > 1 else 0


def _clipped(plan: Plan, panel: Window) -> Window:
    """A panel without the margins in which no sheet lies."""
    parts = [p for s in plan.sheets if (p := overlap(s.window, panel))]
    return overlap(bounding(parts), panel) or panel


def _pixels_to_do(plan: Plan, stale: list[Block]) -> int:
    """Upper bound of the pixels to compute, for progress: sheets' footprints in stale blocks, overlaps counted once per block."""
    total = 0
    for block in stale:
        window = block_window(block, plan.block)
        parts = [p for s in plan.sheets if (p := overlap(s.window, window))]
        total += min(plan.block**2, sum(p.width * p.height for p in parts))
    return total


def _needed_patches(plan: Plan, job: Job, blocks: list[Block]) -> int:
    """Patches that reach a sheet inside these blocks, each counted once (by footprints, not by pixels)."""
    found: set[tuple[int, int]] = set()
    for block in blocks:
        window = block_window(block, plan.block)
        for part in (overlap(s.window, window) for s in plan.sheets):
            if part is not None:
                rows = job.lattice.touching(part.row_off, part.row_off + part.height)
                cols = job.lattice.touching(part.col_off, part.col_off + part.width)
                found.update((r, c) for r in rows for c in cols)
    return len(found)


class _BlockSink:
    """Collects finished rows of a panel into blocks and commits each as soon as it is whole."""

    def __init__(
        self,
        run: Path,
        plan: Plan,
        job: Job,
        panel: Window,
        stale: set[Block],
        names: list[str],
        writer: ThreadPoolExecutor,
    ) -> None:
        self.run, self.plan, self.job, self.panel, self.names, self.writer = run, plan, job, panel, names, writer
        size = plan.block
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
        part = Part(region, classes, confidence, shares)
        self.pending.append(self.writer.submit(write_block, self.run, self.plan, block, key, part, self.names, seconds))

    def close(self) -> None:
        """Wait until every block is on disk."""
        assert not self.open  # the panel ends where its last blocks' regions end
        for future in self.pending:
            future.result()

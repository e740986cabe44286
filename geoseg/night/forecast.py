"""A forecast of a run: which sheets changed, which blocks are stale, what it costs. It writes nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.models.ensemble import ensemble_of
from geoseg.models.files import load_model, shipped_model
from geoseg.options import InferOptions, TileOptions
from geoseg.plan import Plan
from geoseg.runfolder.blocks import Record
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job
from geoseg.runfolder.state import state_of
from geoseg.stages.infer.settle import foreseen_job
from geoseg.stages.tile.tile import TileReport, tile

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """Names of sheets by what happened to them, numbers of blocks, and the expected bytes of disk and memory.

    `seconds` is 0 where no block was ever computed here.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    same: int
    quarantined: tuple[str, ...]
    blocks: int
    stale: int
    megapixels: float
    disk: float
    free: float
    memory: float
    seconds: float


def forecast(
    sheets: Sequence[Path], run: Run | Path, tiling: TileOptions, inference: InferOptions | None = None
) -> Forecast:
    """Plan in a folder of its own and compare with what is there.

    Raises:
        GeosegError: what `tile` raises, or a network that cannot take these sheets.
    """
    run = Run.of(run)
    earlier = None if tiling.overwrite else run.plan_or_none()
    with tempfile.TemporaryDirectory() as folder:
        aside = Run(Path(folder) / "run")
        aside.folder.mkdir()
        for source, there in ((run.plan_json, aside.plan_json), (run.contents_json, aside.contents_json)):
            if earlier is not None and source.exists():
                shutil.copy(source, there)
        report = tile(sheets, aside, tiling)
    return _compared(run, earlier, report, inference or InferOptions())


def _compared(run: Run, earlier: Plan | None, report: TileReport, inference: InferOptions) -> Forecast:
    plan = report.plan
    before = {s.path: s.key for s in earlier.sheets} if earlier else {}
    now = {s.path: s.key for s in plan.sheets}
    state = state_of(run, plan, _job(run, plan, inference), keep=False)
    share = len(state.stale) / len(state.blocks)
    place = run.folder if run.folder.exists() else next(p for p in run.folder.absolute().parents if p.exists())
    return Forecast(
        new=tuple(p for p in now if p not in before),
        changed=tuple(p for p in now if p in before and before[p] != now[p]),
        gone=tuple(p for p in before if p not in now),
        same=sum(before.get(p) == k for p, k in now.items()),
        quarantined=tuple(q.path for q in plan.quarantined),
        blocks=len(state.blocks),
        stale=len(state.stale),
        megapixels=report.megapixels * share,
        disk=report.disk * share,
        free=float(shutil.disk_usage(place).free),
        memory=report.memory,
        seconds=_seconds(list(state.records.values()), report.megapixels * share),
    )


def _job(run: Run, plan: Plan, inference: InferOptions) -> Job | None:
    """The job that `infer` would do now; None where it has to choose an engine first: every block is stale."""
    ensemble = ensemble_of([load_model(path) for path in (inference.model or (shipped_model(),))])
    return foreseen_job(run, plan, ensemble, inference)


def _seconds(records: list[Record], megapixels: float) -> float:
    """At the speed of the blocks that are there."""
    done = [r for r in records if r.seconds > 0]
    pixels = sum(r.pixels for r in done)
    return megapixels * 1e6 * sum(r.seconds for r in done) / pixels if pixels else 0.0

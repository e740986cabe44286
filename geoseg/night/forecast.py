"""What a run would do: new, changed, unchanged and gone sheets, stale blocks, disk, memory, time. Nothing is written to the run folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.classes import NODATA
from geoseg.commit import digest, read_json
from geoseg.errors import PlanError
from geoseg.models.files import shipped_model
from geoseg.plan import Plan, load_plan
from geoseg.runfolder.blocks import Record
from geoseg.runfolder.job import Job, block_key, load_job
from geoseg.runfolder.records import records_of
from geoseg.stages.infer.infer import InferOptions
from geoseg.stages.planned import plan_blocks
from geoseg.stages.tile.tile import TileOptions, TileReport, tile

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """Names of sheets by what happened to them, blocks, expected bytes of disk and memory; `seconds` is 0 where no block was ever computed here."""

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


def forecast(sheets: Sequence[Path], run: Path, tiling: TileOptions, inference: InferOptions | None = None) -> Forecast:
    """Plan in a folder of its own and compare with what is there.

    Raises:
        GeosegError: what `tile` raises.
    """
    earlier = load_plan(run) if (run / "plan.json").exists() and not tiling.overwrite else None
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / "run"
        aside.mkdir()
        for name in ("plan.json", "contents.json"):
            if earlier is not None and (run / name).exists():
                shutil.copy(run / name, aside / name)
        report = tile(sheets, aside, tiling)
    return _compared(run, earlier, report, inference or InferOptions())


def _compared(run: Path, earlier: Plan | None, report: TileReport, inference: InferOptions) -> Forecast:
    plan = report.plan
    before = {s.path: s.key for s in earlier.sheets} if earlier else {}
    now = {s.path: s.key for s in plan.sheets}
    blocks = plan_blocks(plan)
    records = records_of(run, blocks, keep=False)
    job = _job(run, plan, inference)
    stale = [b for b in blocks if job is None or (r := records.get(b)) is None or r.key != block_key(plan, job, b)]
    share = len(stale) / len(blocks)
    existing = run if run.exists() else next(p for p in run.absolute().parents if p.exists())
    return Forecast(
        new=tuple(p for p in now if p not in before),
        changed=tuple(p for p in now if p in before and before[p] != now[p]),
        gone=tuple(p for p in before if p not in now),
        same=sum(before.get(p) == k for p, k in now.items()),
        quarantined=tuple(q.path for q in plan.quarantined),
        blocks=len(blocks),
        stale=len(stale),
        megapixels=report.megapixels * share,
        disk=report.disk * share,
        free=float(shutil.disk_usage(existing).free),
        memory=report.memory,
        seconds=_seconds(list(records.values()), report.megapixels * share),
    )


def _job(run: Path, plan: Plan, inference: InferOptions) -> Job | None:
    """The job of the last `infer`, with the bands of sheets that are new since; None where there was none, or one with other models or options."""
    try:
        job, _, models = load_job(run)
        asked = read_json(run / "engine.json")["question"]["asked"]
    except (PlanError, KeyError, TypeError):
        return None
    paths = inference.models or (shipped_model(),)
    wanted = [inference.engine, inference.device, inference.precision, inference.batch_size, inference.tta]
    if [m["sha256"] for m in models] != [digest(p) for p in paths] or asked[: len(wanted)] != wanted:
        return None
    if job.probabilities != inference.probabilities:
        return None
    some = next(iter(job.bands.values()), ())
    return replace(job, bands={s.path: job.bands.get(s.path, some) for s in plan.sheets})


def _seconds(records: list[Record], megapixels: float) -> float:
    """At the speed of the blocks that are there."""
    done = [r for r in records if r.seconds > 0]
    pixels = sum(n for r in done for value, n in r.counts.items() if value != NODATA)
    return megapixels * 1e6 * sum(r.seconds for r in done) / pixels if pixels else 0.0

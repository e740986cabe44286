"""The stages of a night, one after the other on one run folder; each skips what is up to date.

sheets -> plan -> blocks (here, on workers, or one shard of them) -> outputs -> out/<date>, latest
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from geoseg.arrays import Json
from geoseg.errors import Busy, SheetError
from geoseg.gis.vector_formats import check_formats
from geoseg.models.files import shipped_model
from geoseg.night.listener import QUIET, Listener
from geoseg.night.publish import publish
from geoseg.night.since import changes_since
from geoseg.night.stamp import Question, keep, marks
from geoseg.options import RunOptions
from geoseg.progress import Moment, Progress, as_part
from geoseg.runfolder.contents import remember
from geoseg.runfolder.folder import Run
from geoseg.runfolder.shards import shards_at_work, shards_done
from geoseg.stages.infer.infer import INFER_STEPS, PLANNING, InferReport, infer
from geoseg.stages.infer.lost import go_on_without
from geoseg.stages.mosaic.mosaic import MosaicReport, mosaic, mosaic_steps
from geoseg.stages.tile.tile import TileReport, tile
from geoseg.work.executor import Executor
from geoseg.work.local import LOCAL

__all__ = ["RunReport", "run_stages"]


@dataclass(frozen=True)
class RunReport:
    """What each stage did.

    `mosaic` is None for a shard while others are still to come; `complete` is False where sheets were quarantined;
    `changes` are those since the night before, as of `changes_since`.
    """

    tile: TileReport
    infer: InferReport
    mosaic: MosaicReport | None
    complete: bool
    published: Path | None = None
    changes: Json = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run_stages(
    sheets: Sequence[Path],
    run: Run | Path,
    options: RunOptions,
    *,
    listener: Listener = QUIET,
    executor: Executor = LOCAL,
    asked: Question | None = None,
) -> RunReport:
    """All stages of a night.

    Args:
        sheets: files, folders, patterns and lists.
        run: the run folder.
        options: of all stages; a date publishes the outputs under it.
        listener: hears of the work.
        executor: who computes.
        asked: what the night was asked for, so that the next one sees at once that nothing is new; None to remember
            nothing.

    Raises:
        GeosegError: whatever a stage raises.
    """
    run, shard = Run.of(run), options.work.shard
    if options.mosaic.vectors:
        name = options.mosaic.name or run.folder.resolve().name
        check_formats(options.mosaic.vector_format, name, run.identity)
    patience = PLANNING if shard else 0.0
    seconds: dict[str, float] = {}
    names = ("sheets", *INFER_STEPS, *mosaic_steps(options.mosaic))
    hear = partial(as_part, listener.progress, of=len(names))
    with _timed(seconds, "tile"):
        hear(0)(Moment(names[0]))
        tiling = replace(options.tile, model=options.infer.model or (shipped_model(),))
        planned = tile(sheets, run, tiling, patience=patience)
        listener.told(planned)
    with _timed(seconds, "infer"):
        inferred = infer(run, options.infer, hear(1), executor=executor, shard=shard)
        listener.told(inferred)
    with _timed(seconds, "mosaic"):
        seen = marks(run)
        stitched = _stitched(run, options, hear(1 + len(INFER_STEPS)), executor)
    quarantined = run.plan.quarantined
    if stitched is None:
        return RunReport(planned, inferred, None, not quarantined, seconds=seconds)
    listener.told(stitched)
    with _timed(seconds, "publish"):
        published = publish(run, options.night.date, patience=PLANNING) if options.night.date else None
        remember(run)
    changes: Json = {}
    if published and options.night.changes:
        with _timed(seconds, "changes"):
            changes = changes_since(run, published)
    report = RunReport(planned, inferred, stitched, not quarantined, published, changes, seconds)
    lasting = all(q.stat for q in quarantined)  # others were refused by a look that the next night repeats
    if asked is not None and shard is None and lasting:
        keep(run, asked, seen, _answer(run, report))
    return report


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note the wall seconds of a block under a name."""
    begin = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - begin, 3)


def _answer(run: Run, report: RunReport) -> Json:
    """What to say where nothing is new."""
    plan = run.plan
    return {
        "sheets": len(plan.sheets),
        "quarantined": [[q.path, q.reason, q.cure] for q in plan.quarantined],
        "blocks": report.infer.blocks,
        "published": str(report.published or ""),
        "changes": report.changes,
    }


def _stitched(run: Run, options: RunOptions, hear: Progress, executor: Executor) -> MosaicReport | None:
    """The mosaic; None where this is a shard and others are still to come.

    The shard that ends last does the rest. A sheet that was quarantined late makes blocks of shards stale that have
    ended.
    """
    make = partial(_mosaic, run, options, hear, executor)
    shard = options.work.shard
    if shard is None:
        return make(0.0)
    if not shards_done(run, run.plan, shard[1]):
        return None
    try:
        return make(PLANNING)
    except Busy:
        if shards_at_work(run):
            raise
    infer(run, options.infer, executor=executor)
    return make(PLANNING)


def _mosaic(run: Run, options: RunOptions, hear: Progress, executor: Executor, patience: float) -> MosaicReport:
    """The mosaic. A sheet that is lost or changed while it is made costs that sheet: its blocks are computed again."""
    renewed: set[str] = set()
    while True:
        try:
            return mosaic(run, options.mosaic, hear, patience=patience, executor=executor)
        except SheetError as error:
            with run.lock(patience=PLANNING):
                go_on_without(run, error, run.plan, renewed, options.mosaic.read_timeout)
        infer(run, options.infer, executor=executor)

"""geoseg run: one night. tile -> infer -> mosaic -> publish on one run folder; each step skips what is up to date.

sheets -> plan -> blocks (here, on workers, or one shard of them) -> outputs -> out/<date>, latest
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoseg.errors import Busy
from geoseg.night.publish import publish
from geoseg.night.stamp import Question, keep, marks
from geoseg.plan import load_plan
from geoseg.runfolder.contents import remember
from geoseg.runfolder.lease import held
from geoseg.sheets.decoder import decoder
from geoseg.stages.infer.infer import PLANNING, InferOptions, InferReport, infer, shards_in
from geoseg.stages.infer.panel import Executor
from geoseg.stages.mosaic.mosaic import MosaicOptions, MosaicReport, mosaic
from geoseg.stages.tile.tile import TileOptions, TileReport, tile

__all__ = ["Night", "RunReport", "run_all"]


@dataclass(frozen=True)
class Night:
    """How a night is done: one shard (index from 0, count) of it or all, who computes, and the date to publish it under ("" for not).

    `asked` is what it was asked for, so that the next night can see at once that nothing is new; None where that must not be.
    """

    shard: tuple[int, int] | None = None
    executor: Executor | None = None
    date: str = ""
    asked: Question | None = None


@dataclass(frozen=True)
class RunReport:
    """What each stage did. `mosaic` is None for a shard that others are still to follow; `complete` is False where sheets were quarantined."""

    tile: TileReport
    infer: InferReport
    mosaic: MosaicReport | None
    complete: bool
    published: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def run_all(
    sheets: Sequence[Path],
    run: Path,
    tiling: TileOptions,
    inference: InferOptions,
    mosaicking: MosaicOptions,
    *,
    night: Night | None = None,
    told: Callable[[object], None] = lambda report: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RunReport:
    """All stages. `told` gets each stage's report as soon as it ends.

    Raises:
        GeosegError: whatever a stage raises.
    """
    night = night or Night()
    decoder().patience = inference.read_timeout
    clock = _Clock()
    planned = tile(sheets, run, tiling, patience=PLANNING if night.shard else 0.0)
    told(planned)
    clock.lap("tile")
    inferred = infer(run, inference, progress, executor=night.executor, shard=night.shard)
    told(inferred)
    clock.lap("infer")
    seen = marks(run)
    stitched = _stitched(run, inference, mosaicking, night)
    clock.lap("mosaic")
    complete = not load_plan(run).quarantined
    if stitched is None:
        return RunReport(planned, inferred, None, complete, None, clock.laps)
    told(stitched)
    published = publish(run, night.date, patience=PLANNING) if night.date else None
    remember(run)
    clock.lap("publish")
    report = RunReport(planned, inferred, stitched, complete, published, clock.laps)
    seen_again = all(
        q.stat for q in load_plan(run).quarantined
    )  # others were refused by a look that the next night repeats
    if night.asked is not None and night.shard is None and seen_again:
        keep(run, night.asked, seen, _answer(run, report))
    return report


def _answer(run: Path, report: RunReport) -> dict[str, Any]:
    """What to say where nothing is new."""
    plan = load_plan(run)
    return {
        "sheets": len(plan.sheets),
        "quarantined": [[q.path, q.reason, q.cure] for q in plan.quarantined],
        "blocks": report.infer.blocks,
        "published": str(report.published or ""),
    }


def _stitched(run: Path, inference: InferOptions, options: MosaicOptions, night: Night) -> MosaicReport | None:
    """The mosaic; None where this is a shard and others are to follow.

    The shard that ends last also does what no shard will do any more: blocks of an ended shard that a sheet set aside later has made stale.
    """
    if night.shard is None:
        return mosaic(run, options, executor=night.executor)
    if not shards_in(run, load_plan(run), night.shard[1]):
        return None
    try:
        return mosaic(run, options, patience=PLANNING, executor=night.executor)
    except Busy:
        if held(run, "shard_*"):
            raise
    infer(run, inference, executor=night.executor)
    return mosaic(run, options, patience=PLANNING, executor=night.executor)


class _Clock:
    """Wall seconds between laps."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, name: str) -> None:
        """Time since the last lap goes under this name."""
        now = time.monotonic()
        self.laps[name], self._since = round(now - self._since, 3), now

"""geoseg run: tile -> infer -> mosaic on one run folder; each stage skips what is up to date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.io.plan import load_plan
from geoseg.stages.infer import InferOptions, InferReport, infer
from geoseg.stages.mosaic import MosaicOptions, MosaicReport, mosaic
from geoseg.stages.tile import TileOptions, TileReport, tile

__all__ = ["RunReport", "run_all"]


@dataclass(frozen=True)
class RunReport:
    """What each stage did; `complete` is False where sheets were quarantined."""

    tile: TileReport
    infer: InferReport
    mosaic: MosaicReport
    complete: bool


def run_all(
    sheets: Sequence[Path],
    run: Path,
    tiling: TileOptions,
    inference: InferOptions,
    mosaicking: MosaicOptions,
    *,
    told: Callable[[object], None] = lambda report: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RunReport:
    """All three stages. `told` gets each stage's report as soon as it ends.

    Raises:
        GeosegError: whatever a stage raises.
    """
    planned = tile(sheets, run, tiling)
    told(planned)
    inferred = infer(run, inference, progress)
    told(inferred)
    stitched = mosaic(run, mosaicking)
    told(stitched)
    return RunReport(planned, inferred, stitched, not load_plan(run).quarantined)

"""What all parts of `geoseg mosaic` look at: options, the plan, the job, the blocks and their records."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import shapely
from rasterio.windows import Window

from geoseg.classes import ClassTable
from geoseg.errors import Busy, PlanError, UsageError
from geoseg.geometry.grid import bounding, overlap
from geoseg.geometry.lattice import Block
from geoseg.geometry.sectors import SIDE
from geoseg.plan import Plan, Sheet, load_plan
from geoseg.runfolder.blocks import BlockReader, Record
from geoseg.runfolder.job import Job, block_key, load_job, version
from geoseg.runfolder.records import records_of
from geoseg.stages.features.layers import GROUPS
from geoseg.stages.infer.infer import shards_pending
from geoseg.stages.planned import plan_blocks

__all__ = [
    "MIN_AREA",
    "MosaicOptions",
    "MosaicRun",
    "check_name",
    "load_run",
    "mosaic_key",
    "shifted",
    "tags_of",
]

LONGEST = 200
"""Bytes of a sheet's name that outputs take over: with what is added to it, a file name may have 255."""

MIN_AREA = {"building": 4.0, "road": 4.0, "tree": 1.0, "car": 1.5, "ground": 2.0, "other": 1.0}
"""Smallest polygon that is kept, in square metres on the ground, by role."""


@dataclass(frozen=True)
class MosaicOptions:
    """Options of `geoseg mosaic`. `min_area` in square metres for all classes; None for `MIN_AREA` by role; `simplify` in metres.

    `vectors`: feature layers, those named in `layers`; `square`: right angles for buildings; `exact`: also every class's exact pixel outlines, in a
    file of their own; `smooth`: metres by which class shares are blurred before the vectors are made (0: not at all); `formats`: vector formats beside the GeoPackage (`vector_formats.FORMATS`);
    `sector`: pixels along a sector, where large regions are cut (`geometry.sectors`).
    """

    name: str = ""
    min_area: float | None = None
    sheets: bool = True
    vectors: bool = True
    overwrite: bool = False
    simplify: float = 0.3
    exact: bool = False
    square: bool = True
    layers: tuple[str, ...] = GROUPS
    formats: tuple[str, ...] = ()
    smooth: float = 0.0
    sector: int = SIDE

    def __post_init__(self) -> None:
        if self.name:
            check_name(self.name)


def check_name(name: str) -> None:
    """UsageError for what would lie in another folder, or be hidden."""
    if Path(name).name != name or name.startswith("."):
        raise UsageError("--name", f"{name!r} is not the start of a file name", "leave out folders and leading dots")


@dataclass(frozen=True)
class MosaicRun:
    """What all parts of this stage look at."""

    folder: Path
    plan: Plan
    job: Job
    table: ClassTable
    models: list[dict[str, Any]]
    blocks: list[Block]
    records: list[Record]
    reader: BlockReader
    out: Path
    name: str

    @cached_property
    def extent(self) -> Window:
        """Bounding window of all sheets, cut to the area of interest."""
        whole = bounding([s.window for s in self.plan.sheets])
        if not self.plan.area:
            return whole
        area = self.plan.grid.covering(*shapely.from_wkt(self.plan.area).bounds)
        return overlap(whole, area) or whole

    @cached_property
    def stems(self) -> list[str]:
        """Start of the name of each sheet's own outputs."""
        return _stems(self.plan)


def load_run(run: Path, options: MosaicOptions) -> MosaicRun:
    """Everything that is known of a run whose blocks are all there.

    Raises:
        PlanError: blocks are missing or stale. Busy: shards are still to come. UsageError: a name that is none.
    """
    plan = load_plan(run)
    job, classes, models = load_job(run)
    blocks = plan_blocks(plan)
    records = records_of(run, blocks)
    whole = [records[b] for b in blocks if b in records and records[b].key == block_key(plan, job, b)]
    if len(whole) < len(blocks):
        missing = f"{len(blocks) - len(whole)} of {len(blocks)} blocks are missing or out of date"
        if shards_pending(run, plan):
            raise Busy(run, missing, "its shards are not all in; run geoseg mosaic again when they are")
        raise PlanError(run, missing, "run geoseg infer first")
    name = options.name or run.resolve().name
    check_name(name)
    return MosaicRun(
        run,
        plan,
        job,
        ClassTable.from_json(classes),
        models,
        blocks,
        whole,
        BlockReader(run, plan, blocks),
        run / "out",
        name,
    )


def mosaic_key(r: MosaicRun, options: MosaicOptions) -> str:
    """Hash of all that decides the outputs."""
    sheets = [s.key for s in r.plan.sheets]
    parts = [
        version(),
        r.job.key,
        r.table.to_json(),
        [rec.sha256 for rec in r.records],
        r.name,
        options.min_area,
        options.sheets,
        options.vectors,
        options.simplify,
        options.exact,
        options.square,
        sorted(options.layers),
        sorted(options.formats),
        options.smooth,
        options.sector,
        sheets,
        r.plan.area,
        r.plan.nodata,
        [q.path for q in r.plan.quarantined],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _stems(plan: Plan) -> list[str]:
    """A name for each sheet, different even where case does not count; equal file names, and very long ones, get a hash of their path."""
    seen = Counter(s.stem.casefold() for s in plan.sheets)

    def name(sheet: Sheet) -> str:
        short = len(sheet.stem.encode()) <= LONGEST
        if seen[sheet.stem.casefold()] == 1 and short:
            return sheet.stem
        return f"{sheet.stem if short else sheet.stem[: LONGEST // 4]}-{hashlib.sha256(sheet.path.encode(errors='surrogateescape')).hexdigest()[:8]}"

    return [name(s) for s in plan.sheets]


def tags_of(r: MosaicRun) -> dict[str, str]:
    """Metadata of every raster."""
    return {
        "TIFFTAG_SOFTWARE": f"geoseg {metadata.version('geoseg')}",
        "GEOSEG_MODEL": ", ".join(m["name"] for m in r.models),
        "GEOSEG_MODEL_SHA256": ", ".join(m["sha256"] for m in r.models),
        "GEOSEG_CLASSES": json.dumps({c.value: c.name for c in r.table.classes}),
    }


def shifted(window: Window, by: Window) -> Window:
    """A window of a part as one of the grid; `by` is where the part lies."""
    return Window(window.col_off + by.col_off, window.row_off + by.row_off, window.width, window.height)

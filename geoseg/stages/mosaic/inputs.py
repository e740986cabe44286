"""What a mosaic is made from: a run whose blocks are all there."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from rasterio.windows import Window

from geoseg import parse
from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.errors import Busy, PlanError
from geoseg.geometry.blocks import Block
from geoseg.geometry.scatter import touching_groups
from geoseg.options import MosaicOptions, result_values
from geoseg.plan import Plan, Sheet
from geoseg.runfolder.blocks import BlockReader, Record
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job, version
from geoseg.runfolder.shards import shards_pending
from geoseg.runfolder.state import state_of
from geoseg.stages.features.raster import ClassRaster

__all__ = ["Inputs", "load_inputs", "map_key", "mosaic_key", "shifted", "tags_of"]

LONGEST = 200
"""Bytes of a sheet's name that outputs take over: with what is added to it, a file name may have 255."""


@dataclass(frozen=True)
class Inputs:
    """A run whose blocks are all there.

    `raster`: what features are made of; `reader` gives its pixels; `name`: the start of the outputs' names.
    """

    run: Run
    raster: ClassRaster
    reader: BlockReader
    job: Job
    models: list[Json]
    records: dict[Block, Record]
    name: str

    @property
    def plan(self) -> Plan:
        """The plan of the run."""
        return self.raster.plan

    @property
    def table(self) -> ClassTable:
        """What the class values mean."""
        return self.raster.table

    @property
    def extent(self) -> Window:
        """What the rasters of the whole cover."""
        return self.raster.extent

    @cached_property
    def rasters(self) -> list[tuple[str, Window]]:
        """What is added to the name of each raster of the whole, and what it covers: one, or one for each group."""
        groups = touching_groups(self.plan.seen)
        if len(groups) < 2:
            return [("", self.extent)]
        digits = len(str(len(groups)))
        return [(f"_{i:0{digits}d}", group) for i, group in enumerate(groups, 1)]

    @property
    def blocks(self) -> list[Block]:
        """All blocks, in order."""
        return list(self.records)

    @cached_property
    def stems(self) -> list[str]:
        """Start of the name of each sheet's own outputs."""
        return _stems(self.plan)


def load_inputs(run: Run, options: MosaicOptions) -> Inputs:
    """Everything that is known of a run whose blocks are all there.

    Raises:
        PlanError: blocks are missing or stale.
        Busy: shards are still to come.
        UsageError: a name that is none.
    """
    plan, job = run.plan, run.job
    state = state_of(run, plan, job)
    if not state.complete:
        missing = f"{len(state.stale)} of {len(state.blocks)} blocks are missing or out of date"
        if shards_pending(run, plan):
            raise Busy(run.folder, missing, "its shards are not all in; run geoseg mosaic again when they are")
        raise PlanError(run.folder, missing, "run geoseg infer first")
    name = parse.file_name(options.name or run.folder.resolve().name)
    reader = BlockReader(run.blocks, plan, state.blocks)
    raster = ClassRaster(plan, run.table, reader, run.aux)
    return Inputs(run, raster, reader, job, run.models, {b: state.fresh[b] for b in state.blocks}, name)


def mosaic_key(inputs: Inputs, options: MosaicOptions, answers: str = "") -> str:
    """Hash of all that decides the outputs; `answers`: hash of those that the review knows, "" for none."""
    key = map_key(inputs, options)
    return hashlib.sha256(f"{key} {answers}".encode()).hexdigest() if answers else key


def map_key(inputs: Inputs, options: MosaicOptions) -> str:
    """Hash of all that decides the map: what people said of it decides only which places its review names.

    The run id is its start, so copies of a map stay copies of it when somebody answers.
    """
    parts = [
        version(),
        inputs.job.key,
        inputs.table.to_json(),
        [record.sha256 for record in inputs.records.values()],
        {**result_values(options), "name": inputs.name},
        [s.key for s in inputs.plan.sheets],
        inputs.stems,
        inputs.plan.area,
        inputs.plan.values_everywhere,
        [q.path for q in inputs.plan.quarantined],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _stems(plan: Plan) -> list[str]:
    """A name for each sheet; they differ even where case does not count.

    File names that are equal or very long get a hash of their path.
    """
    seen = Counter(s.stem.casefold() for s in plan.sheets)

    def name(sheet: Sheet) -> str:
        short = len(sheet.stem.encode()) <= LONGEST
        if seen[sheet.stem.casefold()] == 1 and short:
            return sheet.stem
        path = hashlib.sha256(sheet.path.encode(errors="surrogateescape")).hexdigest()
        return f"{sheet.stem if short else sheet.stem[: LONGEST // 4]}-{path[:8]}"

    return [name(s) for s in plan.sheets]


def tags_of(inputs: Inputs) -> dict[str, str]:
    """Metadata of every raster."""
    return {
        "TIFFTAG_SOFTWARE": f"geoseg {version()}",
        "GEOSEG_MODEL": ", ".join(m["name"] for m in inputs.models),
        "GEOSEG_MODEL_SHA256": ", ".join(m["sha256"] for m in inputs.models),
        "GEOSEG_CLASSES": json.dumps({c.value: c.name for c in inputs.table.classes}),
    }


def shifted(window: Window, by: Window) -> Window:
    """A window of a part as one of the grid; `by` is where the part lies."""
    return Window(window.col_off + by.col_off, window.row_off + by.row_off, window.width, window.height)

"""The parts of a mosaic: sheets' rasters, traced blocks, steps of making vectors. Any process can do them.

The result of a part is kept until the mosaic is done (`work.parts`). So a mosaic that was stopped goes on where it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import rasterio

from geoseg.commit import commit_json, folder, read_json
from geoseg.errors import EnvironmentFault, PlanError
from geoseg.gis.geopackage import Layer
from geoseg.options import MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.features.sector import District, Found, Step, districts, do_step
from geoseg.stages.features.store import FileStore
from geoseg.stages.mosaic.exact import trace_block
from geoseg.stages.mosaic.inputs import Inputs, load_inputs, map_key, mosaic_key
from geoseg.stages.mosaic.rasters import sheet_rasters
from geoseg.vectorize.join import Frame
from geoseg.vectorize.rings import Regions
from geoseg.work.executor import Executor
from geoseg.work.parts import KeptParts, Made, keep_only, made_files, name_of
from geoseg.work.task import Advance, Fence, Task, results

__all__ = [
    "RASTER_CACHE",
    "MosaicContext",
    "MosaicWork",
    "at_work",
    "left_over",
    "make_sheet",
    "make_step",
    "make_trace",
]

Item = TypeVar("Item")
Result = TypeVar("Result")

RASTER_CACHE = 128 << 20
"""Bytes of GDAL's block cache while outputs are made; its own choice is 5 % of the machine."""

KINDS = {kind.__name__: kind for kind in (Found, Frame, Layer)}
"""What kept results are made of."""


@dataclass(frozen=True)
class MosaicContext:
    """What all parts of a mosaic share within one process."""

    inputs: Inputs
    options: MosaicOptions
    districts: list[District]
    kept: KeptParts
    map_key: str


def load_context(fence: Fence, options: MosaicOptions) -> MosaicContext:
    """The inputs of a mosaic, for a worker.

    Raises:
        PlanError: the run is not what it was when the mosaic began.
    """
    inputs = load_inputs(fence.folder, options)
    if mosaic_key(inputs, options, _answers_said(fence.folder)) != fence.key:
        raise PlanError(fence.run, "has changed since this mosaic began", "run the same command again")
    return _context(inputs, options, fence)


def _context(inputs: Inputs, options: MosaicOptions, fence: Fence) -> MosaicContext:
    key = map_key(inputs, options)
    found = districts(inputs.raster, options, key)
    kept = KeptParts(inputs.run, name_of(fence.key), KINDS, fence.check)
    return MosaicContext(inputs, options, found, kept, key)


def make_sheet(context: MosaicContext, number: int, advance: Advance) -> list[str]:
    """The class raster of one sheet; names of its files in the run folder."""
    inputs, kept = context.inputs, context.kept

    def make() -> Made[list[str]]:
        files = sheet_rasters(inputs, [number], kept.check, patience=context.options.read_timeout)
        return made_files(inputs.run.folder, files)

    with rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):
        return list(kept.once(f"sheet_{number}", make))


def make_trace(context: MosaicContext, number: int, advance: Advance) -> Regions:
    """Exact regions of one block; quickly done, so not kept."""
    with rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):
        return trace_block(context.inputs, context.inputs.blocks[number])


def make_step(context: MosaicContext, step: Step, advance: Advance) -> Any:
    """One step of making vectors."""
    kept = context.kept

    def make() -> Made[Any]:
        store = FileStore(kept.folder, kept.check, f"_{step.district}")
        return do_step(step, context.districts, store), store.written

    with rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):
        return kept.once(step.name, make)


@dataclass(frozen=True)
class MosaicWork:
    """One mosaic at work: its fence, what its parts share, and who does them."""

    fence: Fence
    context: MosaicContext
    executor: Executor

    def each(self, act: Callable[[MosaicContext, Item, Advance], Result], items: Sequence[Item]) -> Iterator[Result]:
        """What an act makes of each item, in their order.

        Raises:
            GeosegError: the first error that an act raises.
        """
        options = self.context.options
        name = act.__name__.replace("_", " ")
        tasks = [Task(self.fence, load_context, act, options, item, f"{name} {i}") for i, item in enumerate(items)]
        return results(self.executor.map(tasks, here=lambda: self.context))


@contextmanager
def at_work(
    inputs: Inputs, answers: str, options: MosaicOptions, executor: Executor, earlier: Iterable[str] = ()
) -> Iterator[MosaicWork]:
    """Say in the run folder which mosaic is at work. Parts that still run afterwards commit nothing.

    Kept results are removed if nothing was raised. `earlier`: files of the run to remove when the mosaic is done; if
    it is not, the next mosaic hears of them (`left_over`). `answers`: hash of those that the review knows; it is said
    there, since more may be kept while workers still begin.
    """
    run, attempt, left = inputs.run, uuid.uuid4().hex, sorted(earlier)
    key = mosaic_key(inputs, options, answers)
    _say(run, attempt, left, answers)
    keep_only(run, "" if options.overwrite else name_of(key))
    fence = Fence.around(run, key, attempt)
    done = False
    try:
        yield MosaicWork(fence, _context(inputs, options, fence), executor)
        done = True
    finally:
        with suppress(PlanError, EnvironmentFault):  # another is at work; a full disk, say: the next mosaic says so
            fence.check()
            _say(run, "", () if done else left)
            if done:
                keep_only(run)


def _say(run: Run, attempt: str, left: Iterable[str], answers: str = "") -> None:
    folder(run.locks)
    commit_json(run.mosaic_json, {"attempt": attempt, "left": list(left), "answers": answers})


def _answers_said(run: Run) -> str:
    """Hash of the answers that the mosaic at work knows."""
    try:
        return str(read_json(run.mosaic_json)["answers"])
    except (KeyError, TypeError):
        return ""


def left_over(run: Run) -> set[str]:
    """Files of the run that a mosaic which was stopped would have removed."""
    try:
        return {str(name) for name in read_json(run.mosaic_json)["left"]}
    except (PlanError, KeyError, TypeError):
        return set()

"""geoseg mosaic: the blocks of a run as everything that GIS users open.

blocks -> class raster, confidence raster -> sheet rasters -> feature layers, exact polygons -> report -> catalogue
-> database -> run.json (written last: with it the mosaic is finished)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyogrio
import rasterio

from geoseg.arrays import Json
from geoseg.commit import folder, sweep
from geoseg.errors import UsageError
from geoseg.gis.answers.answers import answers_hash
from geoseg.gis.answers.keep import Keeper
from geoseg.gis.answers.originals import forget_originals, keep_original
from geoseg.gis.databases.postgis import check_database, write_database
from geoseg.gis.databases.target import Target, holds
from geoseg.gis.geopackage import Layer, new_geopackage
from geoseg.gis.geopackage_logs import held_alone, held_as_kept
from geoseg.gis.vector_formats import POSTGIS, check_formats, write_layers
from geoseg.layers import makes_any, tables_of
from geoseg.options import MosaicOptions
from geoseg.progress import Progress, Steps, unheard
from geoseg.runfolder.at_work import watched_by_status
from geoseg.runfolder.folder import Run
from geoseg.stages.features.write import write_features
from geoseg.stages.mosaic import rasters
from geoseg.stages.mosaic.areas import class_areas, class_counts
from geoseg.stages.mosaic.catalogue import write_project, write_stac
from geoseg.stages.mosaic.exact import exact_layers
from geoseg.stages.mosaic.finish import Outputs, earlier_files, map_still_finished, still_finished, write_run_json
from geoseg.stages.mosaic.inputs import Inputs, load_inputs, map_key, mosaic_key
from geoseg.stages.mosaic.report import write_report
from geoseg.stages.mosaic.review import TABLE, add_review
from geoseg.stages.mosaic.work import RASTER_CACHE, MosaicWork, at_work, make_sheet, make_step, make_trace
from geoseg.work.executor import Executor
from geoseg.work.local import LOCAL
from geoseg.work.parts import keep_only, made_files

__all__ = ["MosaicOptions", "MosaicReport", "mosaic", "mosaic_steps"]

Made = TypeVar("Made")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MosaicReport:
    """What was written, in square metres and features per class; `skipped` says that nothing had changed."""

    out: Path
    files: tuple[Path, ...]
    areas: dict[str, float]
    features: dict[str, int]
    skipped: bool
    seconds: float


def mosaic(
    run: Run | Path,
    options: MosaicOptions | None = None,
    progress: Progress = unheard,
    *,
    patience: float = 0.0,
    executor: Executor = LOCAL,
) -> MosaicReport:
    """Everything that GIS users open, out of the blocks of a run.

    Args:
        run: folder of a run whose blocks are all there.
        options: see `MosaicOptions`.
        progress: hears how far each step is.
        patience: seconds to wait for another process on the run.
        executor: who makes the sheets' rasters and the districts' layers; results do not depend on it.

    Raises:
        PlanError: blocks are missing or stale: run `infer` first.
        EnvironmentFault: an output could not be written whole, another program has the GeoPackage open, or a database
            that was asked for cannot take the layers.
    """
    options = options or MosaicOptions()
    check_formats(options.vector_format)
    run = Run(Run.of(run).folder.absolute())
    _ = run.plan  # an error where there is none, before anything is locked
    with (
        run.lock(patience=patience),
        watched_by_status(run, "mosaic", "plan", progress) as hear,
        rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE),  # GDAL's own is 5 % of the machine
    ):
        return _mosaic(run, options, hear, executor)


def _mosaic(run: Run, options: MosaicOptions, progress: Progress, executor: Executor) -> MosaicReport:
    started = time.monotonic()
    inputs = load_inputs(run, options)
    _check_layers(inputs, options)
    keeper = Keeper.of(run, inputs.plan.grid.crs, inputs.table)
    target = _target(inputs, map_key(inputs, options), options)
    if not options.overwrite and (target is None or holds(target)):
        done = still_finished(run, mosaic_key(inputs, options, _answers(inputs, options)))
        done = done or _as_edited(keeper, map_key(inputs, options))
        if done is not None:
            keep_only(run)
            files = tuple(run.folder / f for f in done["files"])
            return MosaicReport(run.out, files, done["areas_m2"], done["features"], True, 0.0)
    earlier = earlier_files(run)
    ours = [f for f in run.feature_files if f in earlier or f.name == f"{inputs.name}.gpkg"]
    for file in ours:  # told before the work, not after it
        with held_alone(file):
            pass
    if target is not None:
        check_database(target, tables_of((c.role for c in inputs.table.classes), options.layers))
    for file in ours:  # and kept before anything is touched, since answers decide what the next review asks
        keeper.keep(file)
    names = [str(file.relative_to(run.folder)) for file in earlier]
    with at_work(inputs, _answers(inputs, options), options, executor, names) as work:
        run.run_json.unlink(missing_ok=True)
        for place in (folder(run.out), run.out / "sheets"):
            sweep(place, 0)
        made = _make(work, options, progress, keeper)
        work.fence.check()
        _remove(earlier, made.files, keeper)
        write_run_json(inputs, (work.fence.key, work.context.map_key), made)
    forget_originals(run)
    return MosaicReport(run.out, tuple(made.files), made.areas, made.features, False, time.monotonic() - started)


def _answers(inputs: Inputs, options: MosaicOptions) -> str:
    """Hash of the answers that a review knows; "" where none is made."""
    return answers_hash(inputs.run, inputs.plan.grid.crs) if options.review else ""


def _as_edited(keeper: Keeper, key: str) -> Json | None:
    """run.json if nothing but NAME.gpkg differs from the map of a key: that somebody has edited, and it is left."""
    done, package = map_still_finished(keeper.run, key), keeper.run.feature_file
    if done is None or package is None or not keeper.is_edited(package):
        return None
    keeper.take(package)
    log.warning("%s was edited and is left as it is; --overwrite makes it anew", package)
    return done


def _check_layers(inputs: Inputs, options: MosaicOptions) -> None:
    if options.review and not options.vectors:
        raise UsageError("--review", "is a table of NAME.gpkg, which --no-vectors leaves out", "leave one of them out")
    if options.vectors and not makes_any((c.role for c in inputs.table.classes), options.layers):
        names = ", ".join(options.layers)
        raise UsageError("--layers", f"{names}: no class of this network is one", "choose others, or --no-vectors")


def _remove(earlier: set[Path], files: list[Path], keeper: Keeper) -> None:
    """Files of another name, of a sheet that is gone, of an option that was left out."""
    written, edited = {file.resolve() for file in files}, {*keeper.run.feature_files}
    for old in sorted(earlier):
        if old.resolve() not in written:
            with held_as_kept(old, keeper.keep) if old in edited else nullcontext():
                old.unlink(missing_ok=True)


def mosaic_steps(options: MosaicOptions) -> tuple[str, ...]:
    """The names of the steps, in their order."""
    wanted = {
        "class raster": True,
        "confidence raster": True,
        "sheet rasters": options.sheet_rasters,
        "feature layers": options.vectors,
        "exact polygons": options.exact,
        "report": options.vectors,
        "catalogue": True,
        "database": options.vectors and POSTGIS in options.vector_format,
    }
    return tuple(name for name, chosen in wanted.items() if chosen)


def _make(work: MosaicWork, options: MosaicOptions, progress: Progress, keeper: Keeper) -> Outputs:
    """Make all files but run.json."""
    inputs = work.context.inputs
    counts = class_counts(inputs.records.values())
    made, layers = Outputs(areas=class_areas(inputs)), list[Layer]()
    steps = Steps(mosaic_steps(options), progress)
    step = partial(_step, made, steps)
    with step("class raster"):
        made.files += _once(work, "classes", lambda: rasters.class_raster(inputs, counts))
    with step("confidence raster"):
        made.files += _once(work, "confidence", lambda: rasters.confidence_raster(inputs))
    if options.sheet_rasters:
        with step("sheet rasters"):
            made.files += _sheets(work, steps)
    if options.vectors:
        with step("feature layers"):
            layers = _features(work, (made, keeper), options, counts, steps)
    if options.exact:
        with step("exact polygons"):
            _exact(work, options, made)
    if options.vectors:
        with step("report"):
            made.files.append(write_report(inputs, made, work.context.map_key))
    with step("catalogue"):
        made.files += write_stac(inputs, counts, made.files)
    if (target := _target(inputs, work.context.map_key, options)) is not None:
        with step("database"):
            work.fence.check()
            mapped = [layer for layer in layers if layer.name != TABLE]  # verdicts belong to a person, not to a night
            write_database(target, inputs.run.out / f"{inputs.name}.gpkg", mapped)
    return made


def _target(inputs: Inputs, key: str, options: MosaicOptions) -> Target | None:
    """Where in a database the layers go; None where they go into none."""
    if POSTGIS not in options.vector_format or not options.vectors:
        return None
    return Target(inputs.name, inputs.plan.grid.crs, key, inputs.plan.identity)


@contextmanager
def _step(made: Outputs, steps: Steps, name: str) -> Iterator[None]:
    """Tell that a step begins, and note how long it takes."""
    steps.at(name)
    begin = time.monotonic()
    yield
    made.timings[name] = round(time.monotonic() - begin, 3)


def _once(work: MosaicWork, name: str, make: Callable[[], list[Path]]) -> list[Path]:
    """Files of a part; not made again where a mosaic that was stopped has made them."""
    place = work.context.inputs.run.folder
    return [place / file for file in work.context.kept.once(name, lambda: made_files(place, make()))]


def _sheets(work: MosaicWork, steps: Steps) -> list[Path]:
    """One class raster for each sheet, and what lies beside it."""
    inputs = work.context.inputs
    numbers = range(len(inputs.plan.sheets))
    given = _counted(work.each(make_sheet, numbers), steps, "sheet rasters", len(numbers), "sheets")
    return [inputs.run.folder / file for names in given for file in names]


def _features(
    work: MosaicWork, kept: tuple[Outputs, Keeper], options: MosaicOptions, counts: dict[int, int], steps: Steps
) -> list[Layer]:
    """NAME.gpkg, NAME.qgz, and each layer in other formats; returns the layers, without features."""
    inputs, (made, keeper) = work.context.inputs, kept
    path = inputs.run.out / f"{inputs.name}.gpkg"
    do = lambda parts: _counted(work.each(make_step, parts), steps, "feature layers", len(parts), "sectors")
    run_id = work.context.map_key[:12]
    last = partial(add_review, inputs, options, run_id)
    new = partial(new_geopackage, path, ready=partial(keep_original, inputs.run, run_id), keep=keeper.keep)
    written = write_features(new, work.context.districts, do, counts, last)
    made.features |= written.features
    made.checks |= written.checks
    made.files.append(path)
    for layer in written.layers if {*options.vector_format} - {POSTGIS} else []:
        frame = pyogrio.read_dataframe(path, layer=layer.name)
        made.files += write_layers(path.with_suffix(""), [replace(layer, frame=frame)], options.vector_format)
    made.files += write_project(inputs, written.layers)
    return written.layers


def _counted(found: Iterator[Made], steps: Steps, name: str, total: int, unit: str) -> Iterator[Made]:
    """The same, one after the other, each told to who hears of a step."""
    steps.at(name, 0, total, unit)
    for done, one in enumerate(found, 1):
        steps.at(name, done, total, unit)
        yield one


def _exact(work: MosaicWork, options: MosaicOptions, made: Outputs) -> None:
    """NAME_exact.gpkg."""
    inputs = work.context.inputs
    files, features = exact_layers(inputs, options, work.each(make_trace, range(len(inputs.blocks))))
    made.files += files
    made.features |= features

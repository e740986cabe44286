"""The public face: what a notebook or another program calls. Each function takes the options of its command by name.

Nothing is computed here: options are read and checked, progress is shown, one stage is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from geoseg.errors import UsageError
from geoseg.keywords import ChangesKeywords, EvaluateKeywords, InferKeywords, MosaicKeywords, RunKeywords, TileKeywords
from geoseg.options import ChangesOptions, EvaluateOptions, InferOptions, MosaicOptions, TileOptions, WorkOptions
from geoseg.progress import Progress, Shown, bars
from geoseg.request import run_options, split, stage_options
from geoseg.runfolder.folder import Run

if TYPE_CHECKING:
    from geoseg.night.listener import Listener
    from geoseg.stages.changes import Changes
    from geoseg.stages.evaluate import Evaluation
    from geoseg.stages.look.verify import Verified

__all__ = [
    "changes",
    "demo",
    "evaluate",
    "infer",
    "mosaic",
    "run",
    "tile",
    "train",
    "verify",
    "view",
]

PathLike = str | os.PathLike[str]
Sheets = PathLike | Sequence[PathLike]


def _paths(sheets: Sheets) -> list[Path]:
    return [Path(sheets)] if isinstance(sheets, (str, os.PathLike)) else [Path(p) for p in sheets]


@contextmanager
def _bars(shown: bool) -> Iterator[Progress]:
    """A bar for each step, in a notebook or on a terminal."""
    with bars() if shown else nullcontext(Shown()) as drawn:
        yield drawn.hear


@contextmanager
def _listener(shown: bool) -> Iterator[Listener]:
    from geoseg.night.listener import Listener

    with _bars(shown) as hear:
        yield Listener(progress=hear)


def run(
    sheets: Sheets, run: PathLike | Run | None = None, *, progress: bool = True, **options: Unpack[RunKeywords]
) -> Run:
    """Tile, infer and mosaic in one go; what is up to date is skipped.

    Args:
        sheets: files, folders, patterns, lists, or one config (YAML) as of `geoseg run`.
        run: the run folder; may be left out where a config names it.
        progress: whether a bar is shown.
        options: those of `geoseg run`, by name.

    Returns:
        The finished run.

    Raises:
        UsageError: an unknown option (it names the nearest one), a bad value, no usable sheet.
        ModelError: the network cannot take these sheets.
        GeosegError: whatever else a stage raises.

    Example:
        >>> run = geoseg.run("sheets", "run", block_size=1024, layers="buildings,trees")
        >>> sorted(run.areas)[:2]
        ['building', 'car']
    """
    from geoseg.night.config import with_config
    from geoseg.night.night import night

    named = None if run is None else Run.of(run).folder
    paths, folder, values = with_config(_paths(sheets), named, dict(options))
    if folder is None:
        raise UsageError("run", "no run folder named", 'give one: geoseg.run("sheets/", "run/")')
    chosen = run_options(values)
    with _listener(progress) as listener:
        night(paths, folder, chosen, listener=listener)
    return Run(folder)


def tile(sheets: Sheets, run: PathLike | Run, **options: Unpack[TileKeywords]) -> Run:
    """Put sheets on one grid and plan overlapping patches.

    Args:
        sheets: files, folders, patterns, lists.
        run: the run folder; it is made where there is none.
        options: those of `geoseg tile`, by name.

    Raises:
        UsageError: bad options, or no usable sheet.
        SheetError: with `strict`, the first sheet that cannot be used.

    Example:
        >>> geoseg.tile("sheets", "planned").plan.block
        4096
    """
    from geoseg.stages.tile import tile as stage

    stage(_paths(sheets), Run.of(run), stage_options(TileOptions, options))
    return Run.of(run)


def infer(run: PathLike | Run, *, progress: bool = True, **options: Unpack[InferKeywords]) -> Run:
    """Run a network over a planned run: class and confidence blocks. A rerun computes what is missing or out of date.

    Args:
        run: a folder that `tile` has planned.
        progress: whether a bar is shown.
        options: those of `geoseg infer`, by name.

    Raises:
        PlanError: no plan. ModelError: the network cannot take these sheets.

    Example:
        >>> geoseg.infer("planned", progress=False).state().complete
        True
    """
    from geoseg.stages.infer import infer as stage
    from geoseg.work.executor import executor

    inference, work = split(options, InferOptions, WorkOptions)
    with executor(work.workers, work.scheduler, inference.max_ram, inference.device) as who, _bars(progress) as hear:
        stage(Run.of(run), inference, hear, executor=who, shard=work.shard)
    return Run.of(run)


def mosaic(run: PathLike | Run, **options: Unpack[MosaicKeywords]) -> Run:
    """Stitch the blocks of a run into class rasters, polygons, a report and a catalogue.

    Args:
        run: a folder whose blocks `infer` has computed.
        options: those of `geoseg mosaic`, by name.

    Raises:
        PlanError: blocks are missing or out of date.

    Example:
        >>> geoseg.mosaic("planned", name="town").classes.name
        'town_classes.tif'
    """
    from geoseg.stages.mosaic import mosaic as stage
    from geoseg.work.executor import executor

    outputs, work = split(options, MosaicOptions, WorkOptions)
    with executor(work.workers, work.scheduler) as who:
        stage(Run.of(run), outputs, executor=who)
    return Run.of(run)


def train(config: PathLike, out: PathLike | None = None, *, overwrite: bool = False) -> Path:
    """Train the network that a config describes; after a crash or kill the same call goes on.

    Args:
        config: YAML as of `geoseg train`.
        out: folder of checkpoint, logs and model; by default the config's.
        overwrite: start again although there is a checkpoint.

    Returns:
        The model file.

    Raises:
        UsageError: a config with mistakes; names file and line. TrainingError: training cannot go on.

    Example:
        >>> geoseg.train("small.yaml", "trained").name
        'model.safetensors'
    """
    from geoseg.learn.settings import load_settings
    from geoseg.stages.train import train as stage

    settings = load_settings(Path(config))
    folder = settings.out if out is None else Path(out)
    if folder is None:
        raise UsageError(config, "has no `out`", "add it, or name a folder")
    return stage(settings, folder, overwrite=overwrite).model


def evaluate(prediction: PathLike, reference: PathLike, **options: Unpack[EvaluateKeywords]) -> Evaluation:
    """Score a finished run, class rasters or a model against labels; `.report` holds scores and protocol.

    Args:
        prediction: a run folder, a class raster, a folder of them, or a model file.
        reference: label rasters or polygons; for a model the config whose data it is scored on.
        options: those of `geoseg evaluate`, by name.

    Raises:
        UsageError: nothing to score. SheetError: labels with values that mean no class.

    Example:
        >>> scores = geoseg.evaluate("run", "labels").report
        >>> 0 <= scores["mean_iou"] <= 1
        True
    """
    from geoseg.stages.evaluate import evaluate as stage

    return stage(Path(prediction), Path(reference), stage_options(EvaluateOptions, options))


def changes(old: PathLike | Run, new: PathLike | Run, out: PathLike, **options: Unpack[ChangesKeywords]) -> Changes:
    """What was added, removed and changed from one night to another, as a styled GeoPackage and a page.

    Args:
        old: a finished run, its folder, or the folder of a published night.
        new: the same, later.
        out: the GeoPackage to write; a page of the same name with .html is written beside it.
        options: those of `geoseg changes`, by name.

    Returns:
        Counts by layer (`.counts`), in words (`.said()`), and the land cover from class to class (`.land_cover`).

    Raises:
        UsageError: no outputs there, or another grid; names the commands that align it.
        PlanError: a run whose mosaic has not finished.

    Example:
        >>> geoseg.changes("run", "run", "changes.gpkg").counts["buildings"]["added"]
        0
    """
    from geoseg.stages.changes import compare

    return compare(Run.of(old).folder, Run.of(new).folder, Path(out), stage_options(ChangesOptions, options))


def verify(run: PathLike | Run) -> Verified:
    """Check every byte that a run has committed once more; `.faults` lists (file, what, cure).

    Args:
        run: a run folder.

    Raises:
        PlanError: no plan there.

    Example:
        >>> geoseg.verify("run").faults
        ()
    """
    from geoseg.stages.look.verify import verify as stage

    return stage(Run.of(run))


def view(run: PathLike | Run, out: PathLike | None = None, *, size: int | None = None, web: bool = False) -> Path:
    """Draw a run (photo, classes, features) or a class raster as PNG with a legend, or a run as a web map.

    Args:
        run: a run folder or a class raster.
        out: the PNG to write; with `web` the page or the folder [default: RUN/out/map.html or RUN/out/map].
        size: longest side of each part of the picture, in pixels.
        web: a map for the browser instead of a picture.

    Raises:
        PlanError: no run. UsageError: no picture named, or a raster without a colour table.

    Example:
        >>> geoseg.view("run", "look.png").name
        'look.png'
    """
    from geoseg.stages.look import view as look

    place = run if isinstance(run, Run) else Path(run)
    return look.view(place, None if out is None else Path(out), size=size, web=web)


def demo(out: PathLike, sheets: PathLike | None = None, *, progress: bool = True) -> Run:
    """Make sample sheets, run everything on them, and draw a picture (OUT/demo.png).

    Args:
        out: folder to write into.
        sheets: a folder of sample sheets; by default they are made.
        progress: whether a bar is shown.

    Example:
        >>> geoseg.demo("demo", "sheets", progress=False).layer("buildings").crs.to_epsg()
        25833
    """
    from geoseg.night.demo import demo as make

    with _listener(progress) as listener:
        return make(Path(out), None if sheets is None else Path(sheets), listener=listener).run

"""geoseg mosaic: blocks -> class and confidence COGs, one class raster per sheet, polygons in a GeoPackage, run.json.

blocks -> COGs -> per-sheet crops -> feature layers (and exact polygons) -> run.json (written last = finished)
"""

from __future__ import annotations

import logging
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from geoseg.classes import NODATA
from geoseg.commit import commit_state, digest, folder, read_json, sweep
from geoseg.errors import PlanError, UsageError
from geoseg.geometry.ground import area_factors
from geoseg.gis.cog import RasterSpec, write_cog
from geoseg.gis.vector_formats import check_formats
from geoseg.plan import load_plan
from geoseg.runfolder.blocks import Record
from geoseg.runfolder.lease import lease
from geoseg.stages.features.layers import GROUPS, makes_any
from geoseg.stages.features.seams import write_vectors
from geoseg.stages.features.whole import MosaicOptions, MosaicRun, load_run, mosaic_key, shifted, tags_of
from geoseg.stages.infer.panel import Executor, InProcess
from geoseg.stages.mosaic.catalogue import write_stac
from geoseg.stages.mosaic.exact import exact_layers
from geoseg.stages.mosaic.parts import RASTER_CACHE, Part, Work, at_work, do_part, left_over
from geoseg.stages.mosaic.rasters import sidecars
from geoseg.stages.mosaic.report import write_report
from geoseg.work.parts import made_files, only

__all__ = ["MosaicOptions", "MosaicReport", "layer_groups", "mosaic"]

log = logging.getLogger(__name__)

HUGE, FILLED = 4_000_000_000, 0.01
"""Rasters of more pixels get overviews only where at least this share of them lies in blocks."""


@dataclass(frozen=True)
class MosaicReport:
    """What was written, in square metres and features per class; `skipped` says that nothing had changed."""

    out: Path
    files: tuple[Path, ...]
    areas: dict[str, float]
    features: dict[str, int]
    skipped: bool
    seconds: float


def layer_groups(names: Sequence[str]) -> tuple[str, ...]:
    """Names given to `--layers`, all of them for none; UsageError names one that there is not."""
    chosen = tuple(n.strip() for n in names)
    for name in chosen:
        if name not in GROUPS:
            raise UsageError("--layers", f"there is no layer {name!r}", f"choose from {', '.join(GROUPS)}")
    return chosen or GROUPS


def mosaic(
    run: Path,
    options: MosaicOptions | None = None,
    progress: Callable[[str], None] = lambda step: None,
    *,
    patience: float = 0.0,
    executor: Executor | None = None,
) -> MosaicReport:
    """Everything that GIS users open, out of the blocks of a run; waits `patience` seconds for another process on it.

    `executor` does the sheets' rasters and the districts' layers; results do not depend on it.

    Raises:
        PlanError: blocks are missing or stale: run `infer` first.
        EnvironmentFault: an output could not be written whole.
    """
    options = options or MosaicOptions()
    check_formats(options.formats)
    load_plan(run)
    with lease(run, patience=patience), rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):  # GDAL's own is 5 % of the machine
        return _mosaic(run.absolute(), options, progress, executor or InProcess())


def _mosaic(run: Path, options: MosaicOptions, progress: Callable[[str], None], executor: Executor) -> MosaicReport:
    started = time.monotonic()
    r = load_run(run, options)
    if options.vectors and not makes_any(r.table, options.layers):
        names = ", ".join(options.layers)
        raise UsageError("--layers", f"{names}: no class of this network is one", "choose others, or --no-vectors")
    key = mosaic_key(r, options)
    done = _finished(run, key)
    if done is not None and not options.overwrite:
        only(run)
        return MosaicReport(r.out, tuple(run / f for f in done["files"]), done["areas_m2"], done["features"], True, 0.0)
    earlier = _earlier_files(run)
    with at_work(r, key, options, (str(file.relative_to(run)) for file in earlier)) as work:
        (run / "run.json").unlink(missing_ok=True)
        for place in (folder(r.out), r.out / "sheets"):
            sweep(place)
        made = _outputs(r, key, options, progress, executor, work)
        work.kept.check()
        written = {file.resolve() for file in made.files}
        for old in earlier:  # of another name, a sheet that is gone, an option left out
            if old.resolve() not in written:
                old.unlink(missing_ok=True)
        _write_run_json(r, key, made)
    return MosaicReport(r.out, tuple(made.files), made.areas, made.features, False, time.monotonic() - started)


@dataclass(frozen=True)
class _Outputs:
    """Files; seconds by step; square metres by class; features by layer; figures of the coverage."""

    files: list[Path] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    areas: dict[str, float] = field(default_factory=dict)
    features: dict[str, int] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)


def _outputs(
    r: MosaicRun, key: str, options: MosaicOptions, progress: Callable[[str], None], executor: Executor, work: Work
) -> _Outputs:
    """Make all files but run.json."""
    made, part = _Outputs(), work.part

    def step(name: str, make: Callable[[], list[Path]]) -> None:
        progress(name)
        begin = time.monotonic()
        made.files.extend(make())
        made.timings[name] = round(time.monotonic() - begin, 3)

    def once(name: str, make: Callable[[], list[Path]]) -> list[Path]:
        return [r.folder / file for file in work.kept.once(name, lambda: made_files(r.folder, make()))]

    def by_all(parts: list[Part]) -> Iterator[Any]:
        return executor.each(do_part, parts)

    counts = _class_counts(r.records)
    made.areas.update(_areas(r, counts))
    step("class raster", lambda: once("classes", lambda: _class_cog(r, counts)))
    step("confidence raster", lambda: once("confidence", lambda: _confidence_cog(r)))
    if options.sheets:
        sheets = [part("sheet", i) for i in range(len(r.plan.sheets))]
        step("sheet rasters", lambda: [r.folder / file for names in by_all(sheets) for file in names])
    if options.vectors:
        step("feature layers", lambda: write_vectors(r, options, key, part, by_all, counts, made.features, made.checks))
    if options.exact:
        blocks = [part("trace", i) for i in range(len(r.blocks))]
        step("exact polygons", lambda: exact_layers(r, options, by_all(blocks), made.features))
    if options.vectors:
        step("report", lambda: [_report(r, made)])
    step("catalogue", lambda: _stac(r, counts, made.files))
    return made


def _finished(run: Path, key: str) -> dict[str, Any] | None:
    """run.json if it belongs to this key and all its files are there at their size."""
    path = run / "run.json"
    if not path.exists():
        return None
    try:
        value: dict[str, Any] = read_json(path)
        intact = value["key"] == key and all((run / f).stat().st_size == n for f, n in value["files"].items())
    except (PlanError, ValueError, KeyError, TypeError, OSError):
        return None
    return value if intact else None


def _earlier_files(run: Path) -> set[Path]:
    """Files that the last finished mosaic of this run wrote, and what one that was stopped had yet to remove."""
    try:
        names = {*read_json(run / "run.json")["files"]}
    except (PlanError, KeyError, TypeError):
        names = set()
    inside = (run / "out").resolve()
    return {run / name for name in names | left_over(run) if (run / name).resolve().is_relative_to(inside)}


def _class_counts(records: list[Record]) -> dict[int, int]:
    """Pixels per class value over all blocks."""
    total: Counter[int] = Counter()
    for record in records:
        total.update(record.counts)
    total.pop(NODATA, None)
    return dict(sorted(total.items()))


def _class_cog(r: MosaicRun, counts: dict[int, int]) -> list[Path]:
    extent = r.extent
    spec = RasterSpec(
        extent.width,
        extent.height,
        r.plan.grid.crs,
        r.plan.grid.window_transform(extent),
        "class",
        r.table,
        tags_of(r),
        _overviews(r),
    )
    path = r.out / f"{r.name}_classes.tif"
    write_cog(path, spec, lambda w: r.reader.read(shifted(w, extent))[0], lambda w: r.reader.empty(shifted(w, extent)))
    return [path, *sidecars(path, r.table, counts)]


def _overviews(r: MosaicRun) -> bool:
    """Whether the rasters of the whole get overviews: not where nearly all of a huge one is empty, as GDAL would look at each pixel of it."""
    extent = r.extent
    pixels = int(extent.width) * int(extent.height)
    if pixels <= HUGE or len(r.blocks) * r.plan.block**2 >= FILLED * pixels:
        return True
    log.warning(
        "the sheets lie so far apart that the raster of the whole (%d x %d px) gets no overviews",
        extent.width,
        extent.height,
    )
    return False


def _confidence_cog(r: MosaicRun) -> list[Path]:
    extent = r.extent
    transform = r.plan.grid.window_transform(extent)
    spec = RasterSpec(
        extent.width,
        extent.height,
        r.plan.grid.crs,
        transform,
        "confidence in percent",
        None,
        tags_of(r),
        _overviews(r),
    )
    path = r.out / f"{r.name}_confidence.tif"
    write_cog(path, spec, lambda w: r.reader.read(shifted(w, extent))[1], lambda w: r.reader.empty(shifted(w, extent)))
    return [path]


def _report(r: MosaicRun, made: _Outputs) -> Path:
    return write_report(
        r.folder,
        r.out / "report.html",
        r.plan,
        r.table,
        r.blocks,
        r.reader,
        name=r.name,
        areas=made.areas,
        features=made.features,
        timings=made.timings,
        models=r.models,
        engine=r.job.facts.to_json(),
    )


def _stac(r: MosaicRun, counts: dict[int, int], files: list[Path]) -> list[Path]:
    path = r.out / f"{r.name}.stac.json"
    extent = r.extent
    return write_stac(path, r.name, r.plan, extent, r.table, counts, files, software=_versions(), models=r.models)


def _areas(r: MosaicRun, counts: dict[int, int]) -> dict[str, float]:
    """Square metres on the ground per class: pixels of each block times its local factor."""
    total = dict.fromkeys((c.name for c in r.table.classes), 0.0)
    grid, size = r.plan.grid, r.plan.block
    corners = np.array([[(c + 0.5) * size, (row + 0.5) * size] for row, c in r.blocks])
    factors = area_factors(grid.crs, grid.x0 + corners[:, 0] * grid.pixel, grid.y0 - corners[:, 1] * grid.pixel)
    for record, factor in zip(r.records, factors, strict=True):
        for value, pixels in record.counts.items():
            if value != NODATA:
                total[r.table.by_value(value).name] += pixels * grid.pixel**2 * float(factor)
    return {name: round(area, 2) for name, area in total.items()}


def _versions() -> dict[str, str]:
    packages = ("geoseg", "torch", "rasterio", "numpy", "shapely", "geopandas")
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in packages}}


def _write_run_json(r: MosaicRun, key: str, made: _Outputs) -> None:
    commit_state(
        r.folder / "run.json",
        {
            "key": key,
            "versions": _versions(),
            "grid": r.plan.grid.to_json(),
            "gsd_m": r.plan.gsd,
            "lattice": r.job.lattice.to_json(),
            "engine": r.job.facts.to_json(),
            "models": r.models,
            "classes": r.table.to_json(),
            "areas_m2": made.areas,
            "features": made.features,
            "coverage": made.checks,
            "sheets": len(r.plan.sheets),
            "quarantined": [{"path": q.path, "reason": q.reason, "cure": q.cure} for q in r.plan.quarantined],
            "timings_s": made.timings,
            "blocks": {f"{b[0]}_{b[1]}": rec.sha256 for b, rec in zip(r.blocks, r.records, strict=True)},
            "files": {str(f.relative_to(r.folder)): f.stat().st_size for f in made.files},
            "sha256": {str(f.relative_to(r.folder)): digest(f) for f in made.files},
        },
    )

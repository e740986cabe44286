"""geoseg mosaic: blocks -> class and confidence COGs, one class raster per sheet, polygons in a GeoPackage, run.json.

blocks -> COGs -> per-sheet crops -> feature layers (and exact polygons) -> run.json (written last = finished)
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio.windows import Window

from geoseg.classes import NODATA, ClassTable, LandClass
from geoseg.errors import Busy, PlanError, UsageError
from geoseg.geometry.grid import bounding, overlap
from geoseg.geometry.ground import area_factors
from geoseg.geometry.lattice import Block
from geoseg.gis.cog import RasterSpec, write_cog
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.gis.styles import fill_qml, raster_aux_xml, raster_qml
from geoseg.gis.vector_formats import check_formats, write_layers
from geoseg.io.blocks import BlockReader, Record, read_record
from geoseg.io.commit import commit_bytes, commit_state, digest, folder, read_json
from geoseg.io.lease import lease
from geoseg.io.plan import Plan, Sheet, load_plan
from geoseg.io.sheets import transform_of
from geoseg.io.source import Source
from geoseg.stages.catalogue import write_project, write_stac
from geoseg.stages.classified import Ground, classified
from geoseg.stages.feature_layers import GROUPS, feature_layers
from geoseg.stages.infer import shards_pending
from geoseg.stages.job import Job, block_key, load_job, version
from geoseg.stages.report import write_report
from geoseg.stages.smoothing import smoothed
from geoseg.stages.tile import plan_blocks
from geoseg.vectorize.join import join
from geoseg.vectorize.trace import Regions, trace

__all__ = ["MosaicOptions", "MosaicReport", "layer_groups", "mosaic"]

log = logging.getLogger(__name__)

RASTER_CACHE = 128 << 20

Bytes = npt.NDArray[np.uint8]

MIN_AREA = {"building": 4.0, "road": 4.0, "tree": 1.0, "car": 1.5, "ground": 2.0, "other": 1.0}
"""Smallest polygon that is kept, in square metres on the ground, by role."""


@dataclass(frozen=True)
class MosaicOptions:
    """Options of `geoseg mosaic`. `min_area` in square metres for all classes; None for `MIN_AREA` by role; `simplify` in metres.

    `vectors`: feature layers, those named in `layers`; `square`: right angles for buildings; `exact`: also every class's exact pixel outlines, in a
    file of their own; `smooth`: metres by which class shares are blurred before the vectors are made (0: not at all); `formats`: vector formats beside the GeoPackage (`vector_formats.FORMATS`).
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

    def __post_init__(self) -> None:
        if self.name:
            _check_name(self.name)


@dataclass(frozen=True)
class MosaicReport:
    """What was written, in square metres and features per class; `skipped` says that nothing had changed."""

    out: Path
    files: tuple[Path, ...]
    areas: dict[str, float]
    features: dict[str, int]
    skipped: bool
    seconds: float


def _check_name(name: str) -> None:
    """UsageError for what would lie in another folder, or be hidden."""
    if Path(name).name != name or name.startswith("."):
        raise UsageError("--name", f"{name!r} is not the start of a file name", "leave out folders and leading dots")


@dataclass(frozen=True)
class _Run:
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
) -> MosaicReport:
    """Everything that GIS users open, out of the blocks of a run; waits `patience` seconds for another process on it.

    Raises:
        PlanError: blocks are missing or stale: run `infer` first.
        EnvironmentFault: an output could not be written whole.
    """
    options = options or MosaicOptions()
    check_formats(options.formats)
    load_plan(run)
    with lease(run, patience=patience), rasterio.Env(GDAL_CACHEMAX=RASTER_CACHE):  # GDAL's own is 5 % of the machine
        return _mosaic(run, options, progress)


def _mosaic(run: Path, options: MosaicOptions, progress: Callable[[str], None]) -> MosaicReport:
    started = time.monotonic()
    r = _load(run, options)
    key = _key(r, options)
    done = _finished(run, key)
    if done is not None and not options.overwrite:
        return MosaicReport(r.out, tuple(run / f for f in done["files"]), done["areas_m2"], done["features"], True, 0.0)
    earlier = _earlier_files(run)
    (run / "run.json").unlink(missing_ok=True)
    folder(r.out)
    timings: dict[str, float] = {}
    files: list[Path] = []

    def step(name: str, work: Callable[[], list[Path]]) -> None:
        progress(name)
        begin = time.monotonic()
        files.extend(work())
        timings[name] = round(time.monotonic() - begin, 3)

    features: dict[str, int] = {}
    counts = _class_counts(r.records)
    step("class raster", lambda: _class_cog(r, counts))
    step("confidence raster", lambda: _confidence_cog(r))
    if options.sheets:
        step("sheet rasters", lambda: _sheet_rasters(r))
    checks: dict[str, Any] = {}
    if options.vectors:
        step("feature layers", lambda: _features(r, key, options, features, checks))
    if options.exact:
        step("exact polygons", lambda: _polygons(r, options, features))
    areas = _areas(r, counts)
    if options.vectors:
        step("report", lambda: [_report(r, areas, features, timings)])
    step("catalogue", lambda: _stac(r, counts, files))
    for old in earlier - {f.resolve() for f in files}:  # of another name, a sheet that is gone, an option left out
        old.unlink(missing_ok=True)
    _write_run_json(r, key, files, timings, areas, features, checks)
    return MosaicReport(r.out, tuple(files), areas, features, False, time.monotonic() - started)


def _load(run: Path, options: MosaicOptions) -> _Run:
    plan = load_plan(run)
    job, classes, models = load_job(run)
    blocks = plan_blocks(plan)
    records = [read_record(run, b) for b in blocks]
    whole = [
        rec for b, rec in zip(blocks, records, strict=True) if rec is not None and rec.key == block_key(plan, job, b)
    ]
    if len(whole) < len(blocks):
        missing = f"{len(blocks) - len(whole)} of {len(blocks)} blocks are missing or out of date"
        if shards_pending(run, plan):
            raise Busy(run, missing, "its shards are not all in; run geoseg mosaic again when they are")
        raise PlanError(run, missing, "run geoseg infer first")
    name = options.name or run.resolve().name
    _check_name(name)
    return _Run(
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


def _key(r: _Run, options: MosaicOptions) -> str:
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
        sheets,
        r.plan.area,
        [q.path for q in r.plan.quarantined],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


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
    """Files that the last finished mosaic of this run wrote."""
    try:
        names = json.loads((run / "run.json").read_bytes())["files"]
    except (OSError, ValueError, KeyError):
        return set()
    return {path for name in names if (path := (run / name).resolve()).is_relative_to((run / "out").resolve())}


def _extent(r: _Run) -> Window:
    """Bounding window of all sheets, cut to the area of interest."""
    whole = bounding([s.window for s in r.plan.sheets])
    if not r.plan.area:
        return whole
    area = r.plan.grid.covering(*shapely.from_wkt(r.plan.area).bounds)
    return overlap(whole, area) or whole


def _tags(r: _Run) -> dict[str, str]:
    return {
        "TIFFTAG_SOFTWARE": f"geoseg {metadata.version('geoseg')}",
        "GEOSEG_MODEL": ", ".join(m["name"] for m in r.models),
        "GEOSEG_MODEL_SHA256": ", ".join(m["sha256"] for m in r.models),
        "GEOSEG_CLASSES": json.dumps({c.value: c.name for c in r.table.classes}),
    }


def _class_counts(records: list[Record]) -> dict[int, int]:
    """Pixels per class value over all blocks."""
    total: Counter[int] = Counter()
    for record in records:
        total.update(record.counts)
    total.pop(NODATA, None)
    return dict(sorted(total.items()))


def _shifted(window: Window, by: Window) -> Window:
    return Window(window.col_off + by.col_off, window.row_off + by.row_off, window.width, window.height)


def _class_cog(r: _Run, counts: dict[int, int]) -> list[Path]:
    extent = _extent(r)
    spec = RasterSpec(
        extent.width, extent.height, r.plan.grid.crs, r.plan.grid.window_transform(extent), "class", r.table, _tags(r)
    )
    path = r.out / f"{r.name}_classes.tif"
    write_cog(path, spec, lambda w: r.reader.read(_shifted(w, extent))[0])
    return [path, *_sidecars(path, r.table, counts)]


def _sidecars(path: Path, table: ClassTable, counts: dict[int, int]) -> list[Path]:
    """`.aux.xml` and `.qml`, so that GIS tools show exactly the named classes."""
    aux, qml = path.with_name(path.name + ".aux.xml"), path.with_suffix(".qml")
    commit_bytes(aux, raster_aux_xml(table, counts).encode())
    commit_bytes(qml, raster_qml(table).encode())
    return [aux, qml]


def _confidence_cog(r: _Run) -> list[Path]:
    extent = _extent(r)
    transform = r.plan.grid.window_transform(extent)
    spec = RasterSpec(extent.width, extent.height, r.plan.grid.crs, transform, "confidence in percent", None, _tags(r))
    path = r.out / f"{r.name}_confidence.tif"
    write_cog(path, spec, lambda w: r.reader.read(_shifted(w, extent))[1])
    return [path]


def _sheet_rasters(r: _Run) -> list[Path]:
    """The crop of the whole for each sheet, on its own size and transform, 255 outside its own validity."""
    files: list[Path] = []
    with Source(r.plan, r.job.bands) as source:
        for sheet, stem in zip(r.plan.sheets, _stems(r.plan), strict=True):
            path = r.out / "sheets" / f"{stem}_classes.tif"
            write_cog(path, _sheet_spec(r, sheet), _sheet_reader(r, sheet, source))
            files += [path, *_sidecars(path, r.table, {})]
    return files


def _stems(plan: Plan) -> list[str]:
    """A name for each sheet, different even where case does not count; equal file names get a hash of their path."""
    seen = Counter(s.stem.casefold() for s in plan.sheets)

    def name(sheet: Sheet) -> str:
        if seen[sheet.stem.casefold()] == 1:
            return sheet.stem
        return f"{sheet.stem}-{hashlib.sha256(sheet.path.encode(errors='surrogateescape')).hexdigest()[:8]}"

    return [name(s) for s in plan.sheets]


def _sheet_spec(r: _Run, sheet: Sheet) -> RasterSpec:
    w = sheet.window
    transform = r.plan.grid.window_transform(w) if sheet.mode == "warped" else transform_of(sheet.header)
    crs = r.plan.grid.crs if sheet.mode == "warped" else sheet.crs
    return RasterSpec(w.width, w.height, crs, transform, "class", r.table, _tags(r))


def _sheet_reader(r: _Run, sheet: Sheet, source: Source) -> Callable[[Window], Bytes]:
    plain = (
        sheet.header.mask == "none"
        and sheet.header.nodata is None
        and not r.plan.nodata
        and sheet.header.dtype in ("uint8", "int8", "uint16", "int16")
        and sheet.mode != "warped"
    )

    def read(window: Window) -> Bytes:
        whole = sheet.window
        flipped = sheet.mode == "flipped"
        top = whole.height - window.row_off - window.height if flipped else window.row_off
        part = Window(whole.col_off + window.col_off, whole.row_off + top, window.width, window.height)
        classes = r.reader.read(part)[0]
        if not plain:
            classes[~source.validity(sheet, part)] = NODATA
        return np.ascontiguousarray(classes[::-1]) if flipped else classes

    return read


def _polygons(r: _Run, options: MosaicOptions, features: dict[str, int]) -> list[Path]:
    """Exact polygons of all classes, traced block by block and joined, one layer per class."""

    def traced() -> Any:
        for block in r.blocks:
            classes, confidence = r.reader.block(block)
            if (classes != NODATA).any():
                yield block, trace(classes, confidence, skip=NODATA)

    regions = join(traced(), r.plan.block)
    frame = _frame(r, regions)
    layers = []
    for c in r.table.classes:
        smallest = MIN_AREA[c.role] if options.min_area is None else options.min_area
        chosen = frame[(regions.values == c.value) & (frame["area_m2"].to_numpy() >= smallest)]
        features[c.slug] = len(chosen)
        layers.append(
            Layer(c.slug, chosen.reset_index(drop=True), _style(c), f"{c.name}: polygons of at least {smallest:g} m2")
        )
    path = r.out / f"{r.name}_exact.gpkg"
    write_geopackage(path, layers)
    return [path]


def _features(
    r: _Run, key: str, options: MosaicOptions, features: dict[str, int], checks: dict[str, Any]
) -> list[Path]:
    """Land cover as a coverage, and buildings, roads, trees and cars as GIS users want them."""
    window = _extent(r)
    classes, confidence = r.reader.read(window)
    confidence[classes == NODATA] = 0
    if options.smooth:
        values = list(r.table.values)
        shares = lambda part: r.reader.shares(part, len(values))
        classes = smoothed(shares, classes, window, values, options.smooth / r.plan.gsd)
    least = {c.value: MIN_AREA[c.role] if options.min_area is None else options.min_area for c in r.table.classes}
    ground = Ground(r.plan.grid, window, r.plan.gsd, lambda row, col: _sheet_at(r.plan, row, col), key[:12])
    found = classified(classes, confidence, r.table, ground, least, tolerance=options.simplify, square=options.square)
    checks |= found.checks
    layers = feature_layers(found, options.layers)
    for layer in layers:
        features[layer.name] = len(layer.frame)
    path = r.out / f"{r.name}.gpkg"
    write_geopackage(path, layers)
    project = write_project(path.with_suffix(".qgz"), r.name, r.plan, window, layers, r.table)
    return [path, *write_layers(path.with_suffix(""), layers, options.formats), *project]


def _report(r: _Run, areas: dict[str, float], features: dict[str, int], timings: dict[str, float]) -> Path:
    return write_report(
        r.folder,
        r.out / "report.html",
        r.plan,
        r.table,
        r.blocks,
        r.reader,
        name=r.name,
        areas=areas,
        features=features,
        timings=timings,
        models=r.models,
        engine=r.job.facts.to_json(),
    )


def _stac(r: _Run, counts: dict[int, int], files: list[Path]) -> list[Path]:
    path = r.out / f"{r.name}.stac.json"
    extent = _extent(r)
    return write_stac(path, r.name, r.plan, extent, r.table, counts, files, software=_versions(), models=r.models)


def _sheet_at(plan: Plan, row: int, col: int) -> str:
    """Name of the first sheet whose footprint holds a pixel."""
    pixel = Window(col, row, 1, 1)
    return next((Path(s.path).stem for s in plan.sheets if overlap(s.window, pixel)), "")


_ALPHA = {"ground": 60, "road": 90, "tree": 110, "building": 150, "car": 200, "other": 110}


def _style(c: LandClass) -> str:
    outline = tuple(int(v * 0.55) for v in c.colour)
    return fill_qml(c.colour, alpha=_ALPHA[c.role], outline=(outline[0], outline[1], outline[2]))


def _frame(r: _Run, regions: Regions) -> geopandas.GeoDataFrame:
    """Polygons in the grid's CRS with their attributes."""
    grid = r.plan.grid
    world = shapely.transform(regions.polygons, lambda xy: xy * [grid.pixel, -grid.pixel] + [grid.x0, grid.y0])
    centres = shapely.get_coordinates(shapely.centroid(world)) if len(world) else np.zeros((0, 2))
    factors = area_factors(grid.crs, centres[:, 0], centres[:, 1]) if len(world) else np.zeros(0)
    names = {c.value: c.name for c in r.table.classes}
    return geopandas.GeoDataFrame(
        {
            "id": [f"{row}_{col}" for row, col in regions.first.tolist()],
            "class": [names[v] for v in regions.values.tolist()],
            "class_id": regions.values.astype(np.int32),
            "area_m2": np.round(regions.pixels * grid.pixel**2 * factors, 3),
            "confidence": np.round(regions.weight / np.maximum(1, regions.pixels), 1),
        },
        geometry=world,
        crs=grid.crs,
    )


def _areas(r: _Run, counts: dict[int, int]) -> dict[str, float]:
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


def _write_run_json(
    r: _Run,
    key: str,
    files: list[Path],
    timings: dict[str, float],
    areas: dict[str, float],
    features: dict[str, int],
    checks: dict[str, Any],
) -> None:
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
            "areas_m2": areas,
            "features": features,
            "coverage": checks,
            "sheets": len(r.plan.sheets),
            "quarantined": [{"path": q.path, "reason": q.reason, "cure": q.cure} for q in r.plan.quarantined],
            "timings_s": timings,
            "blocks": {f"{b[0]}_{b[1]}": rec.sha256 for b, rec in zip(r.blocks, r.records, strict=True)},
            "files": {str(f.relative_to(r.folder)): f.stat().st_size for f in files},
            "sha256": {str(f.relative_to(r.folder)): digest(f) for f in files},
        },
    )

"""geoseg mosaic --from: anybody's class raster as a run whose blocks are all there. The ordinary mosaic is made of it.

class raster, confidence -> plan of one sheet, a job that names no network -> blocks, each committed with its record
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.commit import commit_state, digest, sweep
from geoseg.errors import SheetError, UsageError
from geoseg.geometry.blocks import Block, block_window
from geoseg.geometry.grid import Grid, is_nearly_square, overlap
from geoseg.geometry.ground import is_geographic, metres_per_unit
from geoseg.geometry.lattice import Lattice
from geoseg.gis.cog import table_of
from geoseg.gis.plan_drawing import draw_plan
from geoseg.models.facts import NO_NETWORK, EngineFacts, Normalise
from geoseg.plan import Header, Plan, Sheet, transform_of
from geoseg.runfolder.blocks import BlockPixels, BlockPlace, block_key, write_block
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job
from geoseg.runfolder.state import state_of
from geoseg.sheets.decoder import decoder
from geoseg.sheets.door import gdal_settings, open_sheet, stat_key

__all__ = ["run_from_raster"]

BLOCK = 4096


def run_from_raster(raster: Path, run: Run, confidence: Path | None = None, table: ClassTable | None = None) -> Run:
    """A run folder with the blocks of a class raster; what is up to date is not written again.

    Args:
        raster: one band of uint8 class values, 255 or its own no-data value without data; north-up, projected CRS.
        run: the folder to make.
        confidence: per cent (0 to 100) of the same size; 100 everywhere by default.
        table: what the values mean; by default what the raster itself says, see `table_of`.

    Raises:
        UsageError: rasters that do not fit together, or values that the table lacks.
        SheetError: a file that cannot be read.
    """
    header = decoder().header(raster, codes=True)
    _check(raster, header)
    classes = table or table_of(raster)
    plan = _plan(raster, header)
    job = _job(raster, confidence)
    with run.lock():
        sweep(run.folder)
        earlier = run.plan_or_none()
        plan = replace(plan, begun=(earlier.begun if earlier else "") or uuid.uuid4().hex)
        if earlier != plan:
            run.save(plan)
            draw_plan(run.patches_gpkg, plan)
        _save_job(run, job, classes)
        for block in state_of(run, plan, job).stale:
            pixels = _pixels(raster, confidence, plan, block, header.nodata)
            _check_values(raster, pixels.classes, classes)
            write_block(BlockPlace(run.blocks, plan, block), block_key(plan, job, block), pixels, [], 0.0)
    return run


def _check(raster: Path, header: Header) -> None:
    """Refuse what is no class raster in metres."""
    if (header.bands, header.dtype) != (1, "uint8"):
        what = f"has {header.bands} bands of {header.dtype}, expected one band of uint8 class values"
        raise UsageError(raster, what, "give a class raster")
    place = transform_of(header)
    if not header.georeferenced or not header.crs or is_geographic(header.crs):
        raise UsageError(raster, "has no place in a projected CRS", "warp it with gdalwarp -t_srs EPSG:...")
    if place.b or place.d or not place.a > 0 > place.e or not is_nearly_square(place):
        raise UsageError(
            raster,
            "is turned, or its pixels are not as wide as high (within 1 %)",
            "warp it with gdalwarp -tr SIZE SIZE",
        )


def _plan(raster: Path, header: Header) -> Plan:
    place, stat = transform_of(header), stat_key(raster)
    grid = Grid(header.crs, place.c, place.f, place.a, -place.e)
    x, y = place @ (header.width / 2, header.height / 2)
    window = Window(0, 0, header.width, header.height)
    return Plan(
        grid=grid,
        gsd=grid.side * metres_per_unit(header.crs, x, y),
        lattice=Lattice(512, 128),
        asked_lattice=False,
        block=BLOCK,
        sheets=(Sheet(str(raster.absolute()), stat, header, header.crs, "direct", window),),
        planned="from raster",
    )


def _job(raster: Path, confidence: Path | None) -> Job:
    """A job without a network: its key follows from the rasters' bytes."""
    facts = EngineFacts(NO_NETWORK, "none", "none", 1, "none", "1")
    models = tuple((str(p.absolute()), digest(p)) for p in (raster, *([confidence] if confidence else [])))
    nothing = Normalise(np.zeros(1, np.float32), np.ones(1, np.float32))
    return Job(Lattice(512, 128), facts, models, {str(raster.absolute()): (1,)}, nothing, False)


def _save_job(run: Run, job: Job, table: ClassTable) -> None:
    """infer.json, as `infer` would leave it."""
    name = Path(job.models[0][0]).name
    facts = {"name": f"class raster {name}", "good_for": "", "not_good_for": "", "licence": ""}
    value = {
        "job": job.key,
        "lattice": job.lattice.to_json(),
        "engine": job.facts.to_json(),
        "models": [{"path": path, "sha256": key, "key": key, **facts} for path, key in job.models],
        "classes": table.to_json(),
        "bands": {p: list(b) for p, b in job.bands.items()},
        "mean": job.normalise.mean.tolist(),
        "std": job.normalise.std.tolist(),
        "probabilities": job.probabilities,
    }
    commit_state(run.infer_json, value)


def _pixels(raster: Path, confidence: Path | None, plan: Plan, block: Block, nodata: float | None) -> BlockPixels:
    """The part of a block that the raster covers."""
    whole = plan.sheets[0].window
    region = overlap(block_window(block, plan.block), whole)
    assert region is not None  # blocks of a plan meet its sheet
    classes = _read(raster, region, whole)
    if nodata is not None and 0 <= nodata <= NODATA:
        classes[classes == nodata] = NODATA
    trust = np.full(classes.shape, 100, np.uint8) if confidence is None else _read(confidence, region, whole)
    if trust[trust != NODATA].max(initial=0) > 100:
        raise UsageError(confidence, "holds values above 100", "give confidence in per cent")
    trust[classes == NODATA] = NODATA
    classes[trust == NODATA] = NODATA
    return BlockPixels(region, classes, trust)


def _read(path: Path, window: Window, whole: Window) -> Bytes:
    with open_sheet(path) as dataset, rasterio.Env(**gdal_settings()):
        _check_shape(path, dataset, whole)
        return np.asarray(dataset.read(1, window=window), np.uint8)


def _check_shape(path: Path, dataset: DatasetReader, whole: Window) -> None:
    if (dataset.width, dataset.height) != (whole.width, whole.height) or dataset.dtypes[0] != "uint8":
        what = f"is {dataset.width} x {dataset.height} px of {dataset.dtypes[0]}"
        raise SheetError(path, f"{what}, expected {whole.width} x {whole.height} px of uint8", "crop it to the other")


def _check_values(raster: Path, classes: Bytes, table: ClassTable) -> None:
    unknown = sorted({int(v) for v in np.unique(classes)} - {*table.values, NODATA})
    if unknown:
        cure = "name another table with --classes"
        raise UsageError(raster, f"holds values {unknown[:5]} that the class table lacks", cure)

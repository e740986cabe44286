"""geoseg verify: check again everything that a run wrote: plan, blocks, outputs, grid, polygons."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyogrio
import rasterio
import shapely

from geoseg.classes import NODATA
from geoseg.commit import digest
from geoseg.errors import PlanError
from geoseg.plan import Plan, plan_blocks
from geoseg.runfolder.blocks import block_path
from geoseg.runfolder.folder import Run
from geoseg.runfolder.state import state_of
from geoseg.vectorize.coverage import coverage_figures

__all__ = ["Verified", "verify"]


Fault: TypeAlias = tuple[str, str, str]
"""A file, what is wrong with it, and the cure."""


@dataclass(frozen=True)
class Verified:
    """How many blocks and files were looked at, and what is wrong."""

    blocks: int
    files: int
    faults: tuple[Fault, ...]


def verify(run: Run | Path, told: Callable[[str], None] = lambda text: None) -> Verified:
    """Read every byte that a run has committed.

    Args:
        run: the run, or its folder.
        told: is called with a line of text before each part of the work.

    Raises:
        PlanError: no plan there.
    """
    run = Run.of(run)
    plan, cure = run.plan, f"geoseg mosaic {run.folder}"
    blocks = plan_blocks(plan)
    told(f"{len(blocks)} blocks")
    faults = list(_blocks(run, plan))
    try:
        finished = run.finished
        files, made_of = list(finished["sha256"].items()), dict(finished["blocks"])
    except (PlanError, KeyError, TypeError):
        return Verified(len(blocks), 0, (*faults, (str(run.run_json), "is not there", cure)))
    told(f"{len(files)} files")
    records = state_of(run, plan, None, keep=False).records
    if made_of != {f"{b[0]}_{b[1]}": r.sha256 for b, r in records.items()}:
        faults.append((str(run.run_json), "its outputs are older than the blocks", cure))
    for name, expected in files:
        faults += _file(run.folder / name, expected, plan, f"{cure} --overwrite")
    return Verified(len(blocks), len(files), tuple(faults))


def _blocks(run: Run, plan: Plan) -> Iterator[Fault]:
    """Faults of the blocks and of what they were made with."""
    cure = f"geoseg infer {run.folder}"
    try:
        job = run.job
    except (PlanError, KeyError, TypeError) as error:
        yield str(run.infer_json), str(error), cure
        return
    state = state_of(run, plan, job, keep=False)
    for block in state.blocks:
        path, record = block_path(run.blocks, block), state.records.get(block)
        if record is None:
            yield str(path), "is missing, cut, or has no record", cure
        elif block not in state.fresh:
            yield str(path), "is of an earlier state of the run", cure
        elif digest(path) != record.sha256:
            yield str(path), "is not what was committed", f"delete it, then {cure}"
        else:
            yield from _pixels(path, record.counts, cure)


def _pixels(path: Path, counts: dict[int, int], cure: str) -> Iterator[Fault]:
    """Faults of a block's pixels; `counts`: pixels by class value in its record."""
    with rasterio.open(path, driver="GTiff") as dataset:
        classes, confidence = dataset.read()
    values, numbers = np.unique(classes, return_counts=True)
    if dict(zip(values.tolist(), numbers.tolist(), strict=True)) != counts:
        yield str(path), "holds other numbers of pixels than its record says", f"delete it, then {cure}"
    if ((classes == NODATA) != (confidence == NODATA)).any() or (confidence[confidence != NODATA] > 100).any():
        yield str(path), "has a confidence that does not fit its classes", f"delete it, then {cure}"


def _file(path: Path, expected: str, plan: Plan, cure: str) -> Iterator[Fault]:
    """Faults of an output; `expected`: its SHA-256."""
    if not path.exists():
        yield str(path), "is missing", cure
    elif digest(path) != expected:
        yield str(path), "is not what was committed", cure
    elif path.suffix == ".tif" and path.parent.name == "out":
        yield from ((str(path), what, cure) for what in _raster(path, plan))
    elif path.suffix == ".gpkg":
        yield from ((str(path), what, cure) for what in _vectors(path))


def _raster(path: Path, plan: Plan) -> Iterator[str]:
    """Faults of an output raster."""
    with rasterio.open(path) as dataset:
        if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
            yield "is no cloud-optimised GeoTIFF"
        t = dataset.transform
        col, row = (t.c - plan.grid.x0) / plan.grid.pixel, (plan.grid.y0 - t.f) / plan.grid.pixel_y
        off = max(abs(t.a / plan.grid.pixel - 1), abs(abs(t.e) / plan.grid.pixel_y - 1))
        if off > 1e-9 or max(abs(col - round(col)), abs(row - round(row))) > 1e-3:
            yield "does not lie on the run's grid"


def _vectors(path: Path) -> Iterator[str]:
    """Faults of a GeoPackage."""
    with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as database:
        found = database.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        yield f"is damaged: {found}"
        return
    for name, _ in pyogrio.list_layers(path):
        if name == "layer_styles":
            continue
        frame = pyogrio.read_dataframe(path, layer=name)
        shapes = np.asarray(frame.geometry)
        bad = int((~shapely.is_valid(shapes)).sum())
        if bad:
            yield f"layer {name} has {bad} invalid geometries"
        if name == "landcover" and len(shapes):
            figures = coverage_figures(shapes, float(shapely.area(shapes).sum()))
            if not figures.matched or figures.overlap > 1e-3:
                yield f"layer {name} is no clean coverage: {figures}"

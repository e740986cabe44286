"""geoseg demo: sample sheets -> tile -> infer -> mosaic -> a picture of it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from rasterio.windows import Window

from geoseg.batch.run import RunReport, run_all
from geoseg.classes import ClassTable
from geoseg.geometry.grid import bounding
from geoseg.gis.picture import coloured, side_by_side, with_outlines, write_png
from geoseg.io.plan import Plan, load_plan
from geoseg.io.source import Source
from geoseg.stages.infer import InferOptions, load_job
from geoseg.stages.mosaic import MosaicOptions
from geoseg.stages.sample import make_sample
from geoseg.stages.tile import TileOptions

__all__ = ["Accuracy", "demo", "picture"]

LAYERS = {"building": "buildings", "tree": "trees", "car": "cars"}
DRAWN = {"building": (230, 30, 30), "tree": (20, 150, 40), "car": (255, 190, 0)}


@dataclass(frozen=True)
class Accuracy:
    """Share of pixels right, and IoU per class, against the sample's exact labels."""

    overall: float
    iou: dict[str, float]


def demo(
    out: Path,
    sheets: Path | None = None,
    told: Callable[[object], None] = lambda report: None,
    progress: Callable[[int, int], None] = lambda d, t: None,
) -> tuple[RunReport, Path, Accuracy | None]:
    """Run everything on sample sheets, made here unless a folder of them is given; returns reports, the picture and the accuracy."""
    if sheets is None:
        make_sample(out / "sample")
        sheets = out / "sample" / "sheets"
    run = out / "run"
    report = run_all(
        [sheets], run, TileOptions(), InferOptions(), MosaicOptions(name="demo"), told=told, progress=progress
    )
    path = picture(run, out / "demo.png")
    truth = sheets.parent / "classes"
    return report, path, _accuracy(run, truth) if truth.is_dir() else None


def picture(run: Path, path: Path, window: Window | None = None, side: int = 900) -> Path:
    """Input, classes and polygons of a run's window (default: all of it) side by side, at most `side` pixels high."""
    plan = load_plan(run)
    job, rows, _ = load_job(run)
    table = ClassTable.from_json(rows)
    window = window or bounding([s.window for s in plan.sheets])
    step = max(1, -(-window.height // side))
    image = _photo(plan, job.bands, window)[::step, ::step]
    classes = _classes(run, plan, window)[::step, ::step]
    layers = _layers(run, table)
    transform = plan.grid.window_transform(window) @ _scale(step)
    write_png(path, side_by_side([image, coloured(classes, table), with_outlines(image, layers, transform)]))
    return path


def _scale(step: int) -> rasterio.Affine:
    return rasterio.Affine.scale(step)


def _photo(
    plan: Plan, bands: dict[str, tuple[int, ...]], window: Window
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Source(plan, bands) as source:
        pixels, valid = source.read(window)
    image = np.moveaxis(pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, 0), 0, 2).copy()
    image[~valid] = 225
    return np.asarray(image, np.uint8)


def _classes(run: Path, plan: Plan, window: Window) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    from geoseg.io.blocks import BlockReader
    from geoseg.stages.tile import plan_blocks

    return BlockReader(run, plan, plan_blocks(plan)).read(window)[0]


def _layers(
    run: Path, table: ClassTable
) -> list[tuple[np.ndarray[tuple[int, ...], np.dtype[np.object_]], tuple[int, int, int]]]:
    gpkg = next(iter(sorted((run / "out").glob("*.gpkg"))))
    layers = []
    for role, name in LAYERS.items():
        if any(c.role == role for c in table.classes):
            layers.append((geopandas.read_file(gpkg, layer=name).geometry.to_numpy(), DRAWN[role]))
    return layers


def _accuracy(run: Path, truth: Path) -> Accuracy:
    """Compare the per-sheet class rasters with the sample's exact classes."""
    _, rows, _ = load_job(run)
    table = ClassTable.from_json(rows)
    matrix = np.zeros((256, 256), np.int64)
    for path in sorted(truth.glob("*_classes.tif")):
        stem = path.name.removesuffix("_classes.tif")
        found = list((run / "out" / "sheets").glob(f"{stem}_RGB*_classes.tif"))
        if not found:
            continue
        with rasterio.open(path) as a, rasterio.open(found[0]) as b:
            pairs = a.read(1).astype(np.int64) * 256 + b.read(1)
        matrix += np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
    matrix = matrix[np.ix_(table.values, table.values)]
    hit, either = np.diag(matrix), matrix.sum(0) + matrix.sum(1)
    iou = {c.name: float(h / max(1, e - h)) for c, h, e in zip(table.classes, hit, either, strict=True)}
    return Accuracy(float(hit.sum() / max(1, matrix.sum())), iou)

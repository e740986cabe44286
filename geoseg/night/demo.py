"""geoseg demo: sample sheets -> tile -> infer -> mosaic -> a picture of it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from geoseg.classes import ClassTable
from geoseg.night.night import RunReport, run_all
from geoseg.runfolder.job import load_job
from geoseg.stages.infer.infer import InferOptions
from geoseg.stages.look.view import view_run
from geoseg.stages.mosaic.mosaic import MosaicOptions
from geoseg.stages.sample import make_sample
from geoseg.stages.tile.tile import TileOptions

__all__ = ["Accuracy", "demo"]


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
    path = view_run(run, out / "demo.png")
    truth = sheets.parent / "classes"
    return report, path, _accuracy(run, truth) if truth.is_dir() else None


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

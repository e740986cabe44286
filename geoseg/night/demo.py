"""geoseg demo: sample sheets -> tile -> infer -> mosaic -> a picture of it all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from geoseg.night.listener import QUIET, Listener
from geoseg.night.stages import RunReport, run_stages
from geoseg.options import MosaicOptions, RunOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.look.view import view_run
from geoseg.stages.sample import make_sample

__all__ = ["Accuracy", "DemoReport", "demo"]


@dataclass(frozen=True)
class Accuracy:
    """Share of pixels right, and IoU per class, against the sample's exact labels."""

    overall: float
    iou: dict[str, float]


@dataclass(frozen=True)
class DemoReport:
    """What the demo made: the run, its picture, and how right it is (None without exact labels)."""

    run: Run
    stages: RunReport
    picture: Path
    accuracy: Accuracy | None


def demo(out: Path, sheets: Path | None = None, *, listener: Listener = QUIET) -> DemoReport:
    """Run everything on sample sheets; they are made here unless a folder of them is given."""
    if sheets is None:
        make_sample(out / "sample")
        sheets = out / "sample" / "sheets"
    run = Run(out / "run")
    options = RunOptions(mosaic=MosaicOptions(name="demo"))
    report = run_stages([sheets], run, options, listener=listener)
    picture = view_run(run, out / "demo.png")
    truth = sheets.parent / "classes"
    return DemoReport(run, report, picture, _accuracy(run, truth) if truth.is_dir() else None)


def _accuracy(run: Run, truth: Path) -> Accuracy:
    """Compare the per-sheet class rasters with the sample's exact classes."""
    table = run.table
    matrix = np.zeros((256, 256), np.int64)
    for path in sorted(truth.glob("*_classes.tif")):
        stem = path.name.removesuffix("_classes.tif")
        found = list((run.out / "sheets").glob(f"{stem}_RGB*_classes.tif"))
        if not found:
            continue
        with rasterio.open(path) as a, rasterio.open(found[0]) as b:
            pairs = a.read(1).astype(np.int64) * 256 + b.read(1)
        matrix += np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
    matrix = matrix[np.ix_(table.values, table.values)]
    hit, either = np.diag(matrix), matrix.sum(0) + matrix.sum(1)
    iou = {c.name: float(h / max(1, e - h)) for c, h, e in zip(table.classes, hit, either, strict=True)}
    return Accuracy(float(hit.sum() / max(1, matrix.sum())), iou)

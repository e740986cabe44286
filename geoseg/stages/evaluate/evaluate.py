"""geoseg evaluate: predictions against labels, with the protocol beside every score.

subjects (a raster, run or model, and labels) -> counts of each sheet, which add up -> report of scores and intervals
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from geoseg.arrays import Json
from geoseg.classes import ISPRS, ClassTable
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import PlanError, UsageError
from geoseg.learn.settings import TrainConfig, load_settings
from geoseg.models.files import load_model
from geoseg.models.load import build_network
from geoseg.options import EvaluateOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.evaluate.counts import SheetCounts, Subject, Thumb, count_sheet
from geoseg.stages.evaluate.scores import report_of
from geoseg.stages.evaluate.subjects import PredictedRun, paired_subjects, predicted_subjects

__all__ = ["EvaluateOptions", "Evaluation", "evaluate", "evaluate_model", "evaluate_rasters", "evaluate_run"]

MODELS = (".safetensors", ".pt", ".pth", ".pt2", ".onnx")
"""Suffixes of model files."""


@dataclass(frozen=True)
class Evaluation:
    """Counts of each sheet, the report on all of them as plain data, and small pictures for maps of errors."""

    table: ClassTable
    sheets: dict[str, SheetCounts]
    report: Json
    error_maps: dict[str, Thumb]


def evaluate(prediction: Path, reference: Path, options: EvaluateOptions | None = None) -> Evaluation:
    """Score whatever `prediction` is: a model file, a finished run, or class rasters.

    Args:
        prediction: model file, run folder, class raster or a folder of them.
        reference: for a model the config whose data it is scored on; else label rasters, or one file of polygons.
        options: see `EvaluateOptions`.

    Raises:
        UsageError: `prediction` does not exist, or there is nothing to score.
        PlanError: the run is not finished.
        SheetError: a file is damaged, or holds labels that the legend lacks.
    """
    options = options or EvaluateOptions()
    if not prediction.exists():
        raise UsageError(
            prediction, "does not exist", "give a class raster, a vector file, a finished run or a model file"
        )
    if prediction.suffix in MODELS:
        config = load_settings(reference)
        return evaluate_model(prediction, config, options, None if config.out is None else config.out / "cache")
    if Run(prediction).plan_json.is_file():
        return evaluate_run(prediction, reference, options)
    return evaluate_rasters(prediction, reference, options)


def evaluate_rasters(
    prediction: Path, reference: Path, options: EvaluateOptions, table: ClassTable = ISPRS
) -> Evaluation:
    """A class raster (or folder of them) against label rasters, or one file of polygons.

    Raises:
        UsageError: no pair of one name, or several.
        SheetError: labels that do not lie where the prediction lies, or that the legend lacks.
    """
    pairs = paired_subjects(prediction, reference, options, table)
    protocol = {"prediction": str(prediction), "labels": str(reference)}
    return _evaluate(pairs, table, options, protocol)


def evaluate_run(run: Run | Path, labels: Path, options: EvaluateOptions) -> Evaluation:
    """The class rasters per sheet of a finished run against labels of the same names.

    Raises:
        PlanError: the run is not finished, or was made without per-sheet rasters.
    """
    run = Run.of(run)
    facts = run.finished
    table = ClassTable.from_json(facts["classes"])
    sheets = run.out / "sheets"
    if not any(sheets.glob("*_classes.tif")):
        raise PlanError(run.folder, "has no rasters per sheet", "run geoseg mosaic without --no-sheets")
    lattice, engine = facts["lattice"], facts["engine"]
    protocol = {
        "prediction": str(run.folder),
        "labels": str(labels),
        "model": ", ".join(m["name"] for m in facts["models"]),
        "patch_px": lattice["patch"],
        "overlap_px": lattice["overlap"],
        "tta": engine["tta"],
        "precision": engine["precision"],
    }
    photos = tuple(Path(s.path) for s in run.plan.sheets)
    confidence = tuple(run.outputs("_confidence.tif"))
    pairs = paired_subjects(sheets, labels, options, table, PredictedRun("*_classes.tif", photos, confidence))
    return _evaluate(pairs, table, options, protocol)


def evaluate_model(model: Path, config: TrainConfig, options: EvaluateOptions, cache: Path | None = None) -> Evaluation:
    """A model over one split of a config's data sets, each region with production's patches and blending.

    Raises:
        UsageError: the split is empty.
        ModelError: the model takes other bands than the data give.
    """
    found = load_model(model)
    card = found.card
    sets = labelled_sets(config.data, card.classes, card.bands, cache, card.dtype)[options.split]
    if not sets:
        raise UsageError(options.split, "holds no data set of this config", "pick another --split")
    protocol = {
        "model": card.name,
        "model_sha256": found.sha256,
        "data": {s.name: [i.name for i in s.items][:50] for s in sets},
        "split": options.split,
        "patch_px": card.patch,
        "overlap_px": card.overlap,
        "gsd_m": card.gsd,
        "tta": options.tta,
    }
    network = build_network(found)
    with tempfile.TemporaryDirectory(prefix="geoseg_") as scratch:
        subjects = predicted_subjects([i for s in sets for i in s.items], network, card, options, Path(scratch))
        return _evaluate(subjects, card.classes, options, protocol)


def _evaluate(subjects: Iterator[Subject], table: ClassTable, options: EvaluateOptions, protocol: Json) -> Evaluation:
    """Count each subject, and report the scores of all."""
    sheets: dict[str, SheetCounts] = {}
    thumbs: dict[str, Thumb] = {}
    files: list[str] = []
    for subject in subjects:
        if subject.item.labels.kind == "raster":
            files.append(f"{subject.item.name}: {Path(subject.item.labels.path).name}")
        sheets[subject.item.name], thumbs[subject.item.name] = count_sheet(subject, table, options)
    if not sheets:
        raise UsageError("evaluate", "found nothing to score", "check both paths")
    if files:
        protocol = {**protocol, "label_files": files[:50]}
    return Evaluation(table, sheets, report_of(table, sheets, options, protocol), thumbs)

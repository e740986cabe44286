"""geoseg evaluate: predictions against labels, with the protocol beside every score.

subjects (raster, run or model; labels) -> strips -> counts that add up -> scores, intervals, pictures
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.arrays import Bytes
from geoseg.classes import ISPRS, ClassTable
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import PlanError, UsageError
from geoseg.learn.settings import TrainConfig, load_settings
from geoseg.metrics.pixels import (
    bootstrap,
    boundary_f1,
    scores_of,
)
from geoseg.models.files import load_model
from geoseg.models.network import build_network
from geoseg.options import EvaluateOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.evaluate.counts import SheetCounts, Subject, counted
from geoseg.stages.evaluate.subjects import paired_subjects, predicted_subjects

__all__ = ["EvaluateOptions", "Evaluation", "evaluate", "evaluate_model", "evaluate_rasters", "evaluate_run"]

MODELS = (".safetensors", ".pt", ".pth", ".pt2", ".onnx")
"""Files that are networks."""


@dataclass(frozen=True)
class Evaluation:
    """Counts per sheet, the scores of all, and what the pictures show."""

    table: ClassTable
    sheets: dict[str, SheetCounts]
    report: dict[str, Any]
    error_maps: dict[str, tuple[Bytes, Bytes]]


def evaluate(prediction: Path, reference: Path, options: EvaluateOptions | None = None) -> Evaluation:
    """Score whatever `prediction` is: a model file, a finished run, or class rasters.

    Args:
        prediction: model file, run folder, class raster or a folder of them.
        reference: for a model the config whose data it is scored on; else label rasters, or one file of polygons.
        options: see `EvaluateOptions`.

    Raises:
        UsageError: nothing there, or nothing to score.
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
        UsageError: no pair by name, or rasters that do not lie on each other. SheetError: values that the legend lacks.
    """
    pairs = paired_subjects(prediction, reference, options, table)
    protocol = {"prediction": str(prediction), "labels": str(reference)}
    return _evaluated(pairs, table, options, protocol)


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
    pairs = paired_subjects(sheets, labels, options, table, "*_classes.tif", run.confidence)
    return _evaluated(pairs, table, options, protocol)


def evaluate_model(model: Path, config: TrainConfig, options: EvaluateOptions, cache: Path | None = None) -> Evaluation:
    """A model over one split of a config's data sets, each region with production's patches and blending.

    Raises:
        UsageError: the split is empty. ModelError: the model has other classes or bands than the data.
    """
    found = load_model(model)
    card = found.card
    sets = labelled_sets(config.data, card.classes, len(card.bands), cache)[options.split]
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
        return _evaluated(subjects, card.classes, options, protocol)


def _evaluated(
    subjects: Iterator[Subject], table: ClassTable, options: EvaluateOptions, protocol: dict[str, Any]
) -> Evaluation:
    sheets: dict[str, SheetCounts] = {}
    maps: dict[str, tuple[Bytes, Bytes]] = {}
    for subject in subjects:
        sheets[subject.item.name], maps[subject.item.name] = counted(subject, table, options)
    if not sheets:
        raise UsageError("evaluate", "found nothing to score", "check both paths")
    return Evaluation(table, sheets, _report(table, sheets, options, protocol), maps)


RULES = {
    "all": "all pixels",
    "noBoundary": "labels without boundaries, as given",
    "eroded": "3 px around class borders left out",
}


def _report(
    table: ClassTable, sheets: dict[str, SheetCounts], options: EvaluateOptions, protocol: dict[str, Any]
) -> dict[str, Any]:
    """Everything as plain data: protocol first; each data set by itself where there are several."""
    names = [c.name for c in table.classes]
    odd = [n for n in options.without if n not in names]
    if odd:
        raise UsageError("--without", f"names {', '.join(odd)}", f"classes: {', '.join(names)}")
    scores = _scores(table, sheets, options)
    report: dict[str, Any] = {
        "protocol": {
            **protocol,
            "averaged_classes": scores.pop("averaged_classes"),
            "left_out_of_means": list(options.without),
            "boundary_rule": RULES[options.boundary],
            "sheets": len(sheets),
            "interval": "95 % percentile bootstrap over sheets, 1000 draws",
            "objects": f"4-connected regions of at least {options.min_object:g} m2; IoU >= 0.5, or centre in box where truth is boxes",
        },
        **scores,
    }
    groups: dict[str, dict[str, SheetCounts]] = {}
    for name, counts in sheets.items():
        groups.setdefault(name.rpartition("/")[0], {})[name] = counts
    if len(groups) > 1:
        report["sets"] = {name: _scores(table, members, options) for name, members in groups.items()}
    cleaned: dict[str, Any] = json.loads(json.dumps(report), parse_constant=lambda _: None)
    return cleaned


def _scores(table: ClassTable, sheets: dict[str, SheetCounts], options: EvaluateOptions) -> dict[str, Any]:
    """Scores of some sheets together."""
    names = [c.name for c in table.classes]
    left_out = [names.index(n) for n in options.without]
    total = sum(list(sheets.values())[1:], start=next(iter(sheets.values())))
    scores, tallies = scores_of(total.tally, left_out), [s.tally for s in sheets.values()]
    report: dict[str, Any] = {
        "averaged_classes": [names[k] for k in scores["averaged"]],
        **{k: scores[k] for k in ("mean_iou", "mean_f1", "overall_accuracy", "kappa", "pixels")},
        "labelled_pixels_without_prediction": total.unpredicted,
        "intervals": {k: bootstrap(tallies, k, left_out=left_out) for k in ("mean_iou", "mean_f1", "overall_accuracy")},
        "classes": {n: {k: scores[k][i] for k in ("precision", "recall", "f1", "iou")} for i, n in enumerate(names)},
        "boundary_f1": {f"{r:g} m": _number(boundary_f1(total.borders[k])) for k, r in enumerate(options.radius)},
        "objects": {n: c.scores() for n, c in total.objects.items()},
        "confusion": {
            "classes": names,
            "rows_are_truth": total.tally.confusion.tolist(),
            "denied": total.tally.denied.tolist(),
        },
        "per_sheet": {n: _number(scores_of(s.tally, left_out)["mean_iou"]) for n, s in sheets.items()},
    }
    if total.reliability.seen.sum():
        report["calibration"] = {"expected_error": total.reliability.error(), "table": total.reliability.table()}
    return report


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None

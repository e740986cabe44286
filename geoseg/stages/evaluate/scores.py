"""From counts to the report of an evaluation: scores, intervals and protocol as plain data."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np

from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.errors import UsageError
from geoseg.metrics.pixels import MEANS, bootstrap, boundary_f1, scores_of
from geoseg.options import EvaluateOptions
from geoseg.stages.evaluate.counts import SheetCounts

__all__ = ["report_of"]

RULES = {
    "all": "all pixels",
    "noBoundary": "labels without boundaries, as given",
    "eroded": "3 px around class borders left out",
}


BY_CLASS: tuple[Literal["precision", "recall", "f1", "iou"], ...] = ("precision", "recall", "f1", "iou")


def report_of(table: ClassTable, sheets: dict[str, SheetCounts], options: EvaluateOptions, protocol: Json) -> Json:
    """The scores of all sheets, after their protocol; those of each data set too where there are several.

    Raises:
        UsageError: `options.without` names a class that the table lacks.
    """
    names = [c.name for c in table.classes]
    odd = [n for n in options.without if n not in names]
    if odd:
        raise UsageError("--without", f"names {', '.join(odd)}", f"classes: {', '.join(names)}")
    scores = _scores(table, sheets, options)
    objects = "IoU >= 0.5, or centre in box where truth is boxes"
    report: Json = {
        "protocol": {
            **protocol,
            "averaged_classes": scores.pop("averaged_classes"),
            "left_out_of_means": list(options.without),
            "boundary_rule": RULES[options.boundary or "all"],
            "sheets": len(sheets),
            "interval": "95 % percentile bootstrap over sheets, 1000 draws",
            "objects": f"4-connected regions of at least {options.min_object:g} m2; {objects}",
        },
        **scores,
    }
    groups: dict[str, dict[str, SheetCounts]] = {}
    for name, counts in sheets.items():
        groups.setdefault(name.rpartition("/")[0], {})[name] = counts
    if len(groups) > 1:
        report["sets"] = {name: _scores(table, members, options) for name, members in groups.items()}
    # JSON knows no NaN
    cleaned: Json = json.loads(json.dumps(report), parse_constant=lambda _: None)
    return cleaned


def _scores(table: ClassTable, sheets: dict[str, SheetCounts], options: EvaluateOptions) -> Json:
    """The scores of some sheets together."""
    names = [c.name for c in table.classes]
    left_out = [names.index(n) for n in options.without]
    total = sum(list(sheets.values())[1:], start=next(iter(sheets.values())))
    scores, tallies = scores_of(total.tally, left_out), [s.tally for s in sheets.values()]
    report: Json = {
        "averaged_classes": [names[k] for k in scores["averaged"]],
        **{k: scores[k] for k in MEANS},
        "kappa": scores["kappa"],
        "pixels": scores["pixels"],
        "labelled_pixels_without_prediction": total.unpredicted,
        "pixels_without_label": total.unlabelled,
        "intervals": {k: bootstrap(tallies, k, left_out=left_out) for k in MEANS},
        "classes": {n: {k: scores[k][i] for k in BY_CLASS} for i, n in enumerate(names)},
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

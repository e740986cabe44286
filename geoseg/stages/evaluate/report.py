"""The files of an evaluation: JSON for programs, Markdown for people, a confusion matrix and maps of errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geoseg.arrays import Bytes, Json
from geoseg.classes import NODATA, NOT
from geoseg.commit import commit_bytes, commit_json, folder
from geoseg.gis.picture import write_png
from geoseg.learn.pictures import confusion_png
from geoseg.stages.evaluate.evaluate import Evaluation

__all__ = ["error_map", "markdown", "write_evaluation"]


def write_evaluation(out: Path, evaluation: Evaluation) -> list[Path]:
    """Write evaluation.json, evaluation.md, confusion.png and errors/*.png into a folder; returns the files."""
    folder(out)
    report = evaluation.report
    files = [out / "evaluation.json", out / "evaluation.md", out / "confusion.png"]
    commit_json(files[0], report)
    commit_bytes(files[1], markdown(report).encode())
    matrix = np.array(report["confusion"]["rows_are_truth"], np.int64)
    commit_bytes(files[2], confusion_png(matrix, report["confusion"]["classes"], _title(report)))
    for name, (labels, found) in evaluation.error_maps.items():
        path = out / "errors" / f"{name.replace('/', '_')}.png"
        write_png(path, error_map(labels, found, [c.colour for c in evaluation.table.classes]))
        files.append(path)
    return files


def _title(report: Json) -> str:
    protocol = report["protocol"]
    count = len(protocol["averaged_classes"])
    return (
        f"{report['pixels']:,} px; mIoU {_show(report['mean_iou'])} over {count} classes; {protocol['boundary_rule']}"
    )


def error_map(labels: Bytes, found: Bytes, colours: list[tuple[int, int, int]]) -> Bytes:
    """RGB uint8 (H, W, 3): grey where right, the predicted class's colour where wrong, white where not known."""
    palette = np.full((256, 3), 255, np.uint8)
    palette[: len(colours)] = colours
    palette[: len(colours)][(np.array(colours).min(1) > 240)] = (255, 140, 0)  # white would look like "not known"
    picture = np.full((*labels.shape, 3), 255, np.uint8)
    named, denied = labels < NOT, (labels >= NOT) & (labels != NODATA)
    wrong = (named & (labels != found)) | (denied & (labels == found + NOT))
    picture[(named | denied) & ~wrong] = 205
    picture[wrong] = palette[found[wrong]]
    picture[found == NODATA] = 255
    return picture


def _show(value: float | None, percent: bool = True) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if percent else f"{value:.4f}"


def _with_interval(report: Json, name: str) -> str:
    interval = report["intervals"].get(name)
    text = _show(report[name])
    return f"{text} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})" if interval else text


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(r) + " |" for r in rows),
        "",
    ]


def markdown(report: Json) -> str:
    """The report as Markdown, protocol first."""
    lines = ["# Evaluation", "", "## Protocol", ""]
    for key, value in report["protocol"].items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        lines.append(f"- {key.replace('_', ' ')}: {shown or 'none'}")
    lines += ["", "## Scores", "", *_score_table(report)]
    rows = [[n, *(_show(c[k]) for k in ("precision", "recall", "f1", "iou"))] for n, c in report["classes"].items()]
    lines += _table(["class", "precision", "recall", "F1", "IoU"], rows)
    if report["objects"]:
        lines += ["## Objects", "", *_object_table(report["objects"])]
    if "calibration" in report:
        bins = report["calibration"]["table"]
        rows = [[f"{b['from']:.1f}", *(_show(b[k]) for k in ("confidence", "accuracy", "share"))] for b in bins]
        head = ["confidence from", "mean confidence", "accuracy", "share of pixels"]
        lines += ["## Reliability", "", *_table(head, rows)]
    if "sets" in report:
        rows = [
            [n, ", ".join(r["averaged_classes"]) or "none", _show(r["mean_iou"]), _show(r["overall_accuracy"])]
            for n, r in report["sets"].items()
        ]
        lines += ["## Data sets", "", *_table(["set", "classes with truth", "mean IoU", "overall accuracy"], rows)]
    rows = [[n, _show(v)] for n, v in report["per_sheet"].items()]
    lines += ["## Sheets", "", *_table(["sheet", "mean IoU"], rows)]
    return "\n".join(lines)


def _score_table(report: Json) -> list[str]:
    names = {"mean_iou": "mean IoU", "mean_f1": "mean F1", "overall_accuracy": "overall accuracy"}
    rows = [[label, _with_interval(report, name)] for name, label in names.items() if report[name] is not None]
    if report["kappa"] is not None:
        rows.append(["Cohen's kappa", _show(report["kappa"], percent=False)])
    rows += [[f"boundary F1 at {radius}", _show(value)] for radius, value in report["boundary_f1"].items()]
    if "calibration" in report:
        rows.append(["expected calibration error", _show(report["calibration"]["expected_error"])])
    lines = _table(["score", "value (95 % interval)"], rows)
    if report["overall_accuracy"] is None:
        reason = "they name fewer than two classes, or say only what pixels are not"
        lines += [f"The labels are partial ({reason}): there is no overall accuracy and no kappa.", ""]
    if missing := report["pixels_without_label"]:
        lines += [f"{missing:,} pixels have no label and count nowhere.", ""]
    return lines


def _object_table(objects: Json) -> list[str]:
    shares = ("precision", "recall", "f1", "panoptic_quality")
    rows = [
        [n, str(o["true_objects"]), str(o["found_objects"]), *(_show(o[k]) for k in shares)] for n, o in objects.items()
    ]
    return _table(["class", "true", "found", "precision", "recall", "F1", "panoptic quality"], rows)

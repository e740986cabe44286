"""Scores from counts that add up over windows, sheets and workers.

`Tally` is one int64 confusion matrix (rows: truth, columns: predicted) and, for labels that only deny a class, the
number of pixels where that class was predicted all the same. Means leave out classes without truth, and `averaged`
lists the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np

from geoseg.arrays import Bytes, Doubles, Ints, Mask
from geoseg.classes import NODATA, NOT

__all__ = [
    "MEANS",
    "Bin",
    "PixelScores",
    "Reliability",
    "Tally",
    "bootstrap",
    "boundary_counts",
    "boundary_f1",
    "reliability",
    "scores_of",
    "tally",
]

Mean = Literal["mean_iou", "mean_f1", "overall_accuracy"]

MEANS: tuple[Mean, ...] = ("mean_iou", "mean_f1", "overall_accuracy")
"""Scores that are one number and get an interval."""


@dataclass(frozen=True)
class Tally:
    """Counts of pixels: `confusion` (K, K) of named labels; `denied` (K,), predicted as k and known not to be k.

    `partial` counts all pixels whose label only says which class they are not.
    """

    confusion: Ints
    denied: Ints
    partial: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.confusion + other.confusion, self.denied + other.denied, self.partial + other.partial)

    @classmethod
    def zero(cls, classes: int) -> Tally:
        """Nothing counted yet."""
        return cls(np.zeros((classes, classes), np.int64), np.zeros(classes, np.int64))


def tally(labels: Bytes, predicted: Bytes, classes: int) -> Tally:
    """Counts of label codes against predicted class indices, both (H, W); 255 in either counts nowhere."""
    named = (labels < classes) & (predicted < classes)
    pairs = labels[named].astype(np.int64) * classes + predicted[named]
    confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    denying = (labels >= NOT) & (labels != NODATA)
    wrong = denying & (predicted == labels - NOT)
    denied = np.bincount(predicted[wrong], minlength=classes)[:classes]
    return Tally(confusion.astype(np.int64), denied.astype(np.int64), int(denying.sum()))


class PixelScores(TypedDict):
    """Scores of pixels, 0 to 1; `averaged` lists the classes in the means.

    Lists have one value per class, None for a class without truth; a mean over no class is NaN. Overall accuracy and
    kappa are NaN where labels are partial: they name fewer than two classes, or only say which class pixels are not.
    """

    overall_accuracy: float
    kappa: float
    mean_iou: float
    mean_f1: float
    averaged: list[int]
    precision: list[float | None]
    recall: list[float | None]
    f1: list[float | None]
    iou: list[float | None]
    pixels: int


def scores_of(counts: Tally, left_out: Sequence[int] = ()) -> PixelScores:
    """Overall accuracy, kappa (Cohen 1960), and precision, recall, F1 and IoU per class with their means.

    Means are over classes with truth, without `left_out`. Pixels of classes left out still count as mistakes of others.
    """
    matrix = counts.confusion.astype(np.float64)
    hit, truth, found = np.diag(matrix), matrix.sum(1), matrix.sum(0) + counts.denied
    total = matrix.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = hit / found, hit / truth
        iou, f1 = hit / (truth + found - hit), 2 * hit / (truth + found)
        accuracy = hit.sum() / total if total else np.nan
        chance = float((truth * matrix.sum(0)).sum()) / total**2 if total else np.nan
        kappa = (accuracy - chance) / (1 - chance) if total and chance < 1 else np.nan
    if counts.partial or (truth > 0).sum() < 2:
        accuracy = kappa = np.nan
    precision = np.where((found == 0) & (truth > 0), 0.0, precision)
    seen = [k for k in range(len(hit)) if truth[k] > 0 and k not in left_out]
    return {
        "overall_accuracy": float(accuracy),
        "kappa": float(kappa),
        "mean_iou": _mean(iou, seen),
        "mean_f1": _mean(f1, seen),
        "averaged": seen,
        "precision": _plain(precision, truth),
        "recall": _plain(recall, truth),
        "f1": _plain(f1, truth),
        "iou": _plain(iou, truth),
        "pixels": int(total),
    }


def _mean(values: Doubles, seen: list[int]) -> float:
    return float(np.mean(values[seen])) if seen else float("nan")


def _plain(values: Doubles, truth: Doubles) -> list[float | None]:
    return [float(v) if t > 0 and np.isfinite(v) else None for v, t in zip(values, truth, strict=True)]


Bin = TypedDict("Bin", {"from": float, "confidence": float, "accuracy": float, "share": float})
"""One bin of confidence: its lower bound, mean confidence and accuracy, and its share of all pixels."""


@dataclass(frozen=True)
class Reliability:
    """Named pixels `seen` and correct ones `right` for each confidence of 0 to 100 percent, both int64 (101,)."""

    seen: Ints
    right: Ints

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(self.seen + other.seen, self.right + other.right)

    @classmethod
    def zero(cls) -> Reliability:
        """Nothing counted yet."""
        return cls(np.zeros(101, np.int64), np.zeros(101, np.int64))

    def table(self, bins: int = 10) -> list[Bin]:
        """The bins of confidence that hold any pixel."""
        levels, rows = np.arange(101) / 100, []
        which = np.minimum(np.arange(101) * bins // 100, bins - 1)
        total = max(1, int(self.seen.sum()))
        for b in range(bins):
            mine = which == b
            if seen := int(self.seen[mine].sum()):
                confidence = float((levels * self.seen)[mine].sum() / seen)
                accuracy = float(self.right[mine].sum() / seen)
                rows.append(
                    Bin({"from": b / bins, "confidence": confidence, "accuracy": accuracy, "share": seen / total})
                )
        return rows

    def error(self, bins: int = 10) -> float:
        """Expected calibration error (Guo et al. 2017, eq. 3)."""
        return float(sum(r["share"] * abs(r["confidence"] - r["accuracy"]) for r in self.table(bins)))


def reliability(labels: Bytes, predicted: Bytes, confidence: Bytes, classes: int) -> Reliability:
    """Counts of named pixels by their confidence, uint8 percent (H, W)."""
    named = (labels < classes) & (predicted < classes) & (confidence <= 100)
    level = confidence[named]
    right = level[labels[named] == predicted[named]]
    return Reliability(
        np.bincount(level, minlength=101).astype(np.int64), np.bincount(right, minlength=101).astype(np.int64)
    )


def _borders(codes: Bytes) -> Mask:
    """Pixels with another known class to the right or below."""
    out = np.zeros(codes.shape, bool)
    known = codes < NOT
    out[:, :-1] |= (codes[:, 1:] != codes[:, :-1]) & known[:, 1:] & known[:, :-1]
    out[:-1] |= (codes[1:] != codes[:-1]) & known[1:] & known[:-1]
    return out


def boundary_counts(labels: Bytes, predicted: Bytes, radius: float, inner: tuple[slice, slice]) -> Ints:
    """Counts for the boundary F1 (Csurka et al. 2013) in the part `inner` of a window, int64 (4,).

    They are: predicted border pixels near a true one, all predicted ones, true ones near a predicted one, all true.
    Near means within `radius` pixels (Euclid); the arrays (H, W) hold a halo of at least that around `inner`. Only
    borders between named classes count.
    """
    from scipy import ndimage

    known = labels < NOT
    truth, found = _borders(labels), _borders(np.where(known, predicted, NODATA).astype(np.uint8))
    counts = []
    for these, those in ((found, truth), (truth, found)):
        near = ndimage.distance_transform_edt(~those) <= radius if those.any() else np.zeros(those.shape, bool)
        counts += [int((these & near)[inner].sum()), int(these[inner].sum())]
    return np.array(counts, np.int64)


def boundary_f1(counts: Ints) -> float:
    """Harmonic mean of the shares of border pixels that have a partner; NaN where there are none."""
    hit_found, found, hit_truth, truth = (float(v) for v in counts)
    if not found or not truth:
        return float("nan")
    precision, recall = hit_found / found, hit_truth / truth
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def bootstrap(
    tallies: Sequence[Tally],
    name: Mean,
    *,
    left_out: Sequence[int] = (),
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Interval of a score over sheets drawn with replacement (percentile bootstrap, Efron 1979).

    Args:
        tallies: one per sheet; with fewer than 3 there is no interval.
        name: the score.
        left_out: classes left out of means.
        draws: how often sheets are drawn.
        seed: of the draws.
        level: share of the draws that lie inside the interval.
    """
    if len(tallies) < 3:
        return None
    rng = np.random.default_rng(seed)
    matrices, denied = np.stack([t.confusion for t in tallies]), np.stack([t.denied for t in tallies])
    partial = sum(t.partial for t in tallies)
    values = []
    for _ in range(draws):
        weight = np.bincount(rng.integers(len(tallies), size=len(tallies)), minlength=len(tallies))
        drawn = Tally(np.tensordot(weight, matrices, 1), np.tensordot(weight, denied, 1), partial)
        values.append(scores_of(drawn, left_out)[name])
    if np.isnan(values).all():
        return None
    tail = 50 * (1 - level)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)

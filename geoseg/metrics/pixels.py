"""Scores from counts that add up over windows, sheets and workers.

`Tally` is one int64 confusion matrix (rows: truth, columns: predicted) and, for labels that only deny a class, how often it was
predicted there. Averages leave out classes without truth and say which; the protocol travels with every score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, NOT

__all__ = ["Reliability", "Tally", "bootstrap", "boundary_counts", "boundary_f1", "reliability", "scores_of", "tally"]

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tally:
    """Counts of pixels: `confusion` (K, K) of named labels; `denied` (K,) pixels known not to be k but predicted k."""

    confusion: Counts
    denied: Counts

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.confusion + other.confusion, self.denied + other.denied)

    @classmethod
    def zero(cls, classes: int) -> Tally:
        """Nothing counted yet."""
        return cls(np.zeros((classes, classes), np.int64), np.zeros(classes, np.int64))


def tally(labels: Bytes, predicted: Bytes, classes: int) -> Tally:
    """Counts of label codes against predicted class indices, both (H, W); 255 in either counts nowhere."""
    named = (labels < classes) & (predicted < classes)
    pairs = labels[named].astype(np.int64) * classes + predicted[named]
    confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    wrong = (labels >= NOT) & (labels != NODATA) & (predicted == labels - NOT)
    denied = np.bincount(predicted[wrong], minlength=classes)[:classes]
    return Tally(confusion.astype(np.int64), denied.astype(np.int64))


def scores_of(counts: Tally, left_out: Sequence[int] = ()) -> dict[str, Any]:
    """Overall accuracy, kappa, and per class precision, recall, F1, IoU; their means over classes with truth, without `left_out`.

    Kappa: Cohen 1960. A class without truth has NaN scores. Pixels of classes left out of the mean still count as mistakes of the others.
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


def _mean(values: npt.NDArray[np.float64], seen: list[int]) -> float:
    return float(np.mean(values[seen])) if seen else float("nan")


def _plain(values: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> list[float | None]:
    return [float(v) if t > 0 and np.isfinite(v) else None for v, t in zip(values, truth, strict=True)]


@dataclass(frozen=True)
class Reliability:
    """For each confidence of 0 to 100 percent: named pixels `seen` and correct ones `right`, each (101,)."""

    seen: Counts
    right: Counts

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(self.seen + other.seen, self.right + other.right)

    @classmethod
    def zero(cls) -> Reliability:
        """Nothing counted yet."""
        return cls(np.zeros(101, np.int64), np.zeros(101, np.int64))

    def table(self, bins: int = 10) -> list[dict[str, float]]:
        """Mean confidence, accuracy and share of the pixels of each bin that holds any."""
        levels, rows = np.arange(101) / 100, []
        which = np.minimum(np.arange(101) * bins // 100, bins - 1)
        total = max(1, int(self.seen.sum()))
        for b in range(bins):
            mine = which == b
            seen = int(self.seen[mine].sum())
            if seen:
                rows.append(
                    {
                        "from": b / bins,
                        "confidence": float((levels * self.seen)[mine].sum() / seen),
                        "accuracy": float(self.right[mine].sum() / seen),
                        "share": seen / total,
                    }
                )
        return rows

    def error(self, bins: int = 10) -> float:
        """Expected calibration error (Guo et al. 2017, eq. 3)."""
        return float(sum(r["share"] * abs(r["confidence"] - r["accuracy"]) for r in self.table(bins)))


def reliability(labels: Bytes, predicted: Bytes, confidence: Bytes, classes: int) -> Reliability:
    """Counts of named pixels by confidence in percent (H, W)."""
    named = (labels < classes) & (predicted < classes) & (confidence <= 100)
    level = confidence[named]
    right = level[labels[named] == predicted[named]]
    return Reliability(
        np.bincount(level, minlength=101).astype(np.int64), np.bincount(right, minlength=101).astype(np.int64)
    )


def _borders(codes: Bytes) -> npt.NDArray[np.bool_]:
    """Pixels with another known class to the right or below."""
    out = np.zeros(codes.shape, bool)
    known = codes < NOT
    out[:, :-1] |= (codes[:, 1:] != codes[:, :-1]) & known[:, 1:] & known[:, :-1]
    out[:-1] |= (codes[1:] != codes[:-1]) & known[1:] & known[:-1]
    return out


def boundary_counts(labels: Bytes, predicted: Bytes, radius: float, inner: tuple[slice, slice]) -> Counts:
    """(predicted borders near a true one, predicted borders, true borders near a predicted one, true borders) in `inner`.

    Boundary F1 of Csurka et al. 2013: near means within `radius` pixels (Euclid). The arrays hold a halo of at least that around `inner`.
    Only borders between named classes count.
    """
    from scipy import ndimage

    known = labels < NOT
    truth, found = _borders(labels), _borders(np.where(known, predicted, NODATA).astype(np.uint8))
    counts = []
    for these, those in ((found, truth), (truth, found)):
        near = ndimage.distance_transform_edt(~those) <= radius if those.any() else np.zeros(those.shape, bool)
        counts += [int((these & near)[inner].sum()), int(these[inner].sum())]
    return np.array(counts, np.int64)


def boundary_f1(counts: Counts) -> float:
    """Harmonic mean of the shares of borders that have a partner; NaN where there are none."""
    hit_found, found, hit_truth, truth = (float(v) for v in counts)
    if not found or not truth:
        return float("nan")
    precision, recall = hit_found / found, hit_truth / truth
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def bootstrap(
    tallies: Sequence[Tally],
    name: str,
    *,
    left_out: Sequence[int] = (),
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Interval of a score when sheets are drawn with replacement (percentile bootstrap, Efron 1979); None with fewer than 3 sheets."""
    if len(tallies) < 3:
        return None
    rng = np.random.default_rng(seed)
    matrices, denied = np.stack([t.confusion for t in tallies]), np.stack([t.denied for t in tallies])
    values = []
    for _ in range(draws):
        weight = np.bincount(rng.integers(len(tallies), size=len(tallies)), minlength=len(tallies))
        drawn = Tally(np.tensordot(weight, matrices, 1), np.tensordot(weight, denied, 1))
        values.append(scores_of(drawn, left_out)[name])
    tail = 50 * (1 - level)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)

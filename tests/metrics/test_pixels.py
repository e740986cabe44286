"""Scores of pixels: they add up over windows and equal those of scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.classes import NODATA, NOT
from geoseg.metrics.pixels import (
    Reliability,
    Tally,
    bootstrap,
    boundary_counts,
    boundary_f1,
    reliability,
    scores_of,
    tally,
)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, 2, 3, NODATA], np.uint8), (24, 24))
    return labels, rng.integers(0, 4, (24, 24)).astype(np.uint8)


@given(_pairs(), st.integers(1, 23))
def test_counts_add_up_over_windows(pair: tuple[np.ndarray, np.ndarray], cut: int) -> None:
    labels, found = pair
    whole, parts = tally(labels, found, 4), tally(labels[:cut], found[:cut], 4) + tally(labels[cut:], found[cut:], 4)
    assert (whole.confusion == parts.confusion).all()
    assert whole.confusion.dtype == np.int64
    assert whole.confusion.sum() == (labels != NODATA).sum()


@given(_pairs())
def test_scores_equal_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    oracle = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, found = pair
    known = labels != NODATA
    y, p = labels[known], found[known]
    scores = scores_of(tally(labels, found, 4))
    assert math.isclose(scores["overall_accuracy"], oracle.accuracy_score(y, p))
    assert math.isclose(scores["kappa"], oracle.cohen_kappa_score(y, p), abs_tol=1e-12)
    for name, ours in (
        ("f1_score", "f1"),
        ("jaccard_score", "iou"),
        ("precision_score", "precision"),
        ("recall_score", "recall"),
    ):
        theirs = getattr(oracle, name)(y, p, labels=range(4), average=None, zero_division=0)
        assert np.allclose(
            [v for v in scores[ours] if v is not None],
            [t for t, v in zip(theirs, scores[ours], strict=True) if v is not None],
        )


def test_accuracy_is_per_pixel_not_per_batch() -> None:
    """Tutorials divide correct pixels by the number of images."""
    labels = np.zeros((2, 50, 50), np.uint8)
    labels[1] = 1
    assert scores_of(tally(labels, labels, 6))["overall_accuracy"] == 1.0


def test_denied_pixels_count_against_their_class_only() -> None:
    labels = np.array([[1, NOT + 1, NOT + 1, NODATA]], np.uint8)
    scores = scores_of(tally(labels, np.array([[1, 1, 0, 1]], np.uint8), 3))
    assert scores["iou"][1] == 0.5
    assert scores["precision"][1] == 0.5
    assert scores["recall"][1] == 1.0
    assert scores["iou"][0] is None


def test_absent_classes_are_left_out_and_said() -> None:
    labels = np.array([[0, 0, 1, 1]], np.uint8)
    scores = scores_of(tally(labels, np.array([[0, 0, 1, 0]], np.uint8), 6))
    assert scores["averaged"] == [0, 1]
    assert scores["iou"][3] is None
    assert math.isclose(scores["mean_iou"], (2 / 3 + 1 / 2) / 2)
    assert scores_of(tally(labels, labels, 6), left_out=[1])["averaged"] == [0]


def test_reliability_of_a_calibrated_answer() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.integers(50, 101, 200_000).astype(np.uint8)
    right = rng.uniform(0, 100, len(confidence)) < confidence
    labels = np.zeros(len(confidence), np.uint8)
    counts = reliability(labels, (~right).astype(np.uint8), confidence, 2)
    assert counts.error() < 0.01
    lying = reliability(labels, (~right).astype(np.uint8), np.full_like(confidence, 100), 2)
    assert lying.error() > 0.2
    assert (Reliability.zero() + counts).seen.sum() == len(confidence)


def test_boundary_f1_by_distance() -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 20:] = 1
    moved = np.zeros_like(labels)
    moved[:, 23:] = 1
    inner = (slice(None), slice(None))
    assert boundary_f1(boundary_counts(labels, labels, 1, inner)) == 1
    assert boundary_f1(boundary_counts(labels, moved, 2, inner)) == 0
    assert boundary_f1(boundary_counts(labels, moved, 3, inner)) == 1


def test_boundary_counts_add_up_over_strips_with_a_halo() -> None:
    rng = np.random.default_rng(1)
    labels = np.kron(rng.integers(0, 3, (6, 6)), np.ones((8, 8), int)).astype(np.uint8)
    found = np.roll(labels, 1, 0)
    whole = boundary_counts(labels, found, 2.0, (slice(None), slice(None)))
    top = boundary_counts(labels[:28], found[:28], 2.0, (slice(0, 24), slice(None)))
    bottom = boundary_counts(labels[20:], found[20:], 2.0, (slice(4, None), slice(None)))
    assert (whole == top + bottom).all()


def test_interval_holds_the_score_and_needs_sheets() -> None:
    rng = np.random.default_rng(0)
    tallies = []
    for share in rng.uniform(0.6, 0.9, 12):
        labels = rng.integers(0, 3, (50, 50)).astype(np.uint8)
        found = np.where(rng.uniform(size=labels.shape) < share, labels, 0).astype(np.uint8)
        tallies.append(tally(labels, found, 3))
    interval = bootstrap(tallies, "mean_iou")
    assert interval is not None
    whole = sum(tallies[1:], start=tallies[0])
    assert interval[0] < scores_of(whole)["mean_iou"] < interval[1]
    assert bootstrap(tallies[:2], "mean_iou") is None
    assert isinstance(Tally.zero(3).confusion, np.ndarray)


def test_partial_labels_have_no_overall_accuracy() -> None:
    """One class alone, or labels that only say what pixels are not: what is right of them all is not known."""
    labels = np.zeros((20, 20), np.uint8)
    labels[:5], labels[5:10] = 1, NODATA
    assert scores_of(tally(labels, labels, 6))["overall_accuracy"] == 1.0
    for partial in (np.where(labels == 0, NODATA, labels), np.where(labels == 0, NOT + 1, labels)):
        found = tally(partial.astype(np.uint8), np.ones_like(labels), 6)
        scores = scores_of(found)
        assert math.isnan(scores["overall_accuracy"])
        assert math.isnan(scores["kappa"])
        assert scores["iou"][1] is not None
        assert bootstrap([found, found, found], "overall_accuracy") is None

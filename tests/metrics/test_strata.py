"""Accuracy from a stratified sample: an example of the literature, and intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.metrics.strata import Stratum, overall_accuracy, users_accuracy
from geoseg.stages.mosaic.random_places import allocation, nothing_drawn, with_pixels

OLOFSSON = [
    Stratum(200_000, 75, 66), Stratum(150_000, 75, 55), Stratum(3_200_000, 165, 153), Stratum(6_450_000, 325, 313),
]  # fmt: skip
"""Olofsson et al. (2014), table 8: deforestation, forest gain, stable forest, stable non-forest."""


def test_the_example_of_olofsson() -> None:
    """The paper gives 0.95 +- 0.02 for all, and 0.88, 0.73, 0.93 and 0.96 for the classes, +- 0.07, 0.10, 0.04, 0.02.

    By hand: 0.02 * 66/75 + 0.015 * 55/75 + 0.32 * 153/165 + 0.645 * 313/325 = 0.94651; the variance is the sum of
    weight^2 * share * (1 - share) / (places - 1).
    """
    overall = overall_accuracy(OLOFSSON)
    assert overall is not None
    assert overall.value == pytest.approx(0.9465, abs=1e-4)
    variance = 0.02**2 * 0.1056 / 74 + 0.015**2 * (55 * 20 / 75**2) / 74
    variance += 0.32**2 * (153 * 12 / 165**2) / 164 + 0.645**2 * (313 * 12 / 325**2) / 324
    assert overall.standard_error == pytest.approx(variance**0.5)
    assert 1.96 * overall.standard_error == pytest.approx(0.02, abs=0.005)
    assert (overall.low, overall.high) == pytest.approx((0.9465 - 0.0185, 0.9465 + 0.0185), abs=0.005)
    found = [users_accuracy(s) for s in OLOFSSON]
    assert [round(e.value, 2) for e in found if e] == [0.88, 0.73, 0.93, 0.96]
    assert [round(1.96 * e.standard_error, 2) for e in found if e] == [0.07, 0.10, 0.04, 0.02]


def test_a_sample_without_a_mistake_does_not_prove_a_perfect_map() -> None:
    overall = overall_accuracy([Stratum(900, 40, 40), Stratum(100, 60, 60)])
    assert overall is not None
    assert (overall.value, overall.standard_error, overall.high) == (1, 0, pytest.approx(1))
    assert 0.92 < overall.low < 0.97
    one = users_accuracy(Stratum(10, 1, 1))
    assert one is not None
    assert one.low < 0.5


def test_one_verdict_alone_has_no_standard_error() -> None:
    for right in (0, 1):
        one = users_accuracy(Stratum(10, 1, right))
        assert one is not None
        assert (one.value, one.standard_error) == (right, None)
    both = overall_accuracy([Stratum(900, 40, 30), Stratum(100, 1, 1)])
    assert both is not None
    assert both.standard_error is None
    assert both.low < both.value < both.high
    whole = users_accuracy(Stratum(1, 1, 1))  # all of the class was looked at
    assert whole is not None
    assert whole.standard_error == 0


def test_classes_without_a_verdict_are_left_out() -> None:
    assert users_accuracy(Stratum(10, 0, 0)) is None
    assert overall_accuracy([Stratum(10, 0, 0)]) is None
    both = overall_accuracy([Stratum(10, 0, 0), Stratum(90, 10, 5)])
    assert both is not None
    assert both.value == 0.5


@pytest.mark.parametrize("rates", [(0.95, 0.8, 0.6), (0.99, 0.97, 0.9)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(rates: tuple[float, ...]) -> None:
    """Somebody who knows the truth judges the places of 300 maps."""
    rng = np.random.default_rng(8)
    classes = np.zeros((120, 150), np.uint8)
    classes[:, 90:] = 1
    classes[:12, :30] = 2
    held, errors = 0, []
    for seed in range(300):
        right = rng.random(classes.shape) < np.array(rates)[classes]
        drawn = with_pixels(nothing_drawn(), classes, (0, 0), seed)
        counts = {v: int(drawn.counts[v]) for v in range(3)}
        strata = []
        for value, many in allocation(counts).items():
            row, col = drawn.pixels[value, :many].T
            strata.append(Stratum(counts[value], many, int(right[row, col].sum())))
        overall = overall_accuracy(strata)
        assert overall is not None
        errors.append(overall.value - right.mean())
        held += overall.low <= right.mean() <= overall.high
    assert 0.92 <= held / 300 <= 0.99
    assert abs(np.mean(errors)) < 0.005

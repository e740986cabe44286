"""Losses: laws, oracles, and the errors that tutorials teach."""

from __future__ import annotations

import math

import pytest
import torch

from geoseg.classes import NODATA, NOT
from geoseg.learn.losses import LOSSES, LossOptions, cross_entropy, dice, lovasz

PLAIN = LossOptions()


def _batch(seed: int = 0, classes: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, classes, 16, 16, generator=generator), torch.randint(
        0, classes, (2, 16, 16), generator=generator
    )


@pytest.mark.parametrize("name", LOSSES)
def test_unknown_pixels_cost_and_teach_nothing(name: str) -> None:
    scores, labels = _batch()
    labels[:, :8] = NODATA
    other = scores.clone()
    other[:, :, :8] += 5
    scores.requires_grad_(True)
    loss = LOSSES[name](scores, labels, PLAIN)
    assert torch.allclose(loss, LOSSES[name](other, labels, PLAIN))
    loss.backward()
    assert scores.grad is not None
    assert not scores.grad[:, :, :8].any()
    assert scores.grad[:, :, 8:].any()


@pytest.mark.parametrize("name", LOSSES)
def test_all_unknown_is_zero_and_finite(name: str) -> None:
    scores, labels = _batch()
    scores.requires_grad_(True)
    loss = LOSSES[name](scores, torch.full_like(labels, NODATA), PLAIN)
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_absent_classes_do_not_break(name: str) -> None:
    scores, labels = _batch()
    assert torch.isfinite(LOSSES[name](scores, labels.clamp(max=1), PLAIN))


@pytest.mark.parametrize("name", LOSSES)
def test_truth_scores_better_than_chance(name: str) -> None:
    scores, labels = _batch()
    truth = 12 * torch.nn.functional.one_hot(labels, 6).permute(0, 3, 1, 2).float()
    assert LOSSES[name](truth, labels, PLAIN) < 0.05 < LOSSES[name](scores, labels, PLAIN)


def test_denied_class_loses_and_the_rest_does_not() -> None:
    scores = torch.zeros(1, 3, 1, 1, requires_grad=True)
    loss = cross_entropy(scores, torch.full((1, 1, 1), NOT + 1), PLAIN)
    assert math.isclose(float(loss.detach()), -math.log(2 / 3), rel_tol=1e-5)
    loss.backward()
    assert scores.grad is not None
    g = scores.grad[0, :, 0, 0]
    assert g[1] > 0 > g[0] == g[2]


def test_two_classes_denied_equals_named() -> None:
    """With two classes "not 1" and "0" say the same."""
    scores = torch.randn(2, 2, 8, 8)
    labels = torch.randint(0, 2, (2, 8, 8))
    denied = torch.where(labels == 0, NOT + 1, 1)
    assert torch.allclose(cross_entropy(scores, labels, PLAIN), cross_entropy(scores, denied, PLAIN), atol=1e-6)


def test_losses_equal_the_library(request: pytest.FixtureRequest) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    scores, labels = _batch(3)
    theirs = smp.losses.LovaszLoss("multiclass", per_image=False, ignore_index=NODATA)(scores, labels)
    assert torch.allclose(lovasz(scores, labels, PLAIN), theirs, atol=1e-5)
    theirs = smp.losses.DiceLoss("multiclass", smooth=1.0, eps=1e-7, ignore_index=NODATA)(scores, labels)
    assert abs(float(dice(scores, labels, PLAIN) - theirs)) < 0.02  # theirs smooths numerator and denominator alike
    labels[:, :4] = NODATA
    plain = torch.nn.functional.cross_entropy(scores, labels, ignore_index=NODATA)
    assert torch.allclose(cross_entropy(scores, labels, PLAIN), plain)


def test_softmax_before_the_loss_would_show() -> None:
    """The tutorials' "softmax, then CrossEntropyLoss" flattens gradients: logits are what losses take."""
    _, labels = _batch()
    truth = 12 * torch.nn.functional.one_hot(labels, 6).permute(0, 3, 1, 2).float()
    assert cross_entropy(truth, labels, PLAIN) < 0.01 < 1 < cross_entropy(truth.softmax(1), labels, PLAIN)

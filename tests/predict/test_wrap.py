"""Augmentation, ensembles and resampling around a network."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from geoseg.predict.wrap import TTA, Wrapped


@pytest.mark.parametrize("tta", list(TTA))
def test_augmentation_undoes_itself(tta):
    """A network that returns its input gives it back through every turn and flip."""
    x = torch.randn(2, 3, 24, 24)
    wrapped = Wrapped([torch.nn.Identity()], [False], [1.0], 24, tta=tta)
    assert torch.allclose(wrapped(x), x, atol=1e-6)


def test_an_ensemble_of_one_network_twice_ranks_like_it():
    x = torch.randn(1, 4, 16, 16)
    twice = Wrapped([torch.nn.Identity(), torch.nn.Identity()], [False, False], [2.0, 2.0], 16)(x)
    assert torch.allclose(twice, (x / 2).log_softmax(1), atol=1e-6)


def test_resampling_keeps_a_smooth_picture():
    y, x = torch.meshgrid(torch.linspace(0, 3, 96), torch.linspace(0, 3, 96), indexing="ij")
    picture = torch.stack([torch.sin(x + y), torch.cos(x)])[None]
    for ratio in (Fraction(1, 2), Fraction(2), Fraction(4, 3), Fraction(2, 3)):
        out = Wrapped([torch.nn.Identity()], [False], [1.0], 96, ratio)(picture)
        assert out.shape == picture.shape
        assert float((out - picture)[..., 4:-4, 4:-4].abs().max()) < 0.02

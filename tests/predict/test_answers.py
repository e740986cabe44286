"""Answers of networks that others made."""

from __future__ import annotations

import pytest
import torch

from geoseg.predict.answers import scores_in

SCORES = torch.rand(2, 6, 8, 8)
OTHER = torch.rand(2, 3, 4, 4)


@pytest.mark.parametrize(
    "answer",
    [
        SCORES,
        {"out": SCORES, "aux": SCORES + 1},
        {"logits": SCORES, "loss": torch.tensor(1.0)},
        {"features": OTHER, "seg": SCORES},
        (SCORES, OTHER),
        [torch.rand(2, 6), SCORES],
    ],
)
def test_scores_are_found_in_dicts_and_tuples(answer: object) -> None:
    assert torch.equal(scores_in(answer, 6, 8, probabilities=False), SCORES)


def test_one_channel_is_the_second_of_two_classes() -> None:
    logit = torch.randn(3, 1, 8, 8)
    two = torch.softmax(scores_in(logit, 2, 8, probabilities=False), 1)
    assert torch.allclose(two[:, 1:], torch.sigmoid(logit))
    shares = scores_in(torch.sigmoid(logit), 2, 8, probabilities=True)
    assert torch.allclose(shares.sum(1), torch.ones(3, 8, 8))
    assert torch.equal((shares[:, 1] > 0.5), logit[:, 0] > 0)


@pytest.mark.parametrize("times", [2, 4])
def test_smaller_scores_are_interpolated(times: int) -> None:
    small = torch.zeros(1, 2, 16, 16)
    small[:, 1, :, 8:] = 1
    found = scores_in(small, 2, 16 * times, probabilities=False)
    assert found.shape == (1, 2, 16 * times, 16 * times)
    assert (found.argmax(1)[:, :, 8 * times :] == 1).all()
    assert scores_in(small, 2, 48, probabilities=False).shape[-1] == 16  # the shape is told where it is used


@pytest.mark.parametrize("answer", [(OTHER,), {"a": OTHER}, "text", ()])
def test_what_holds_no_scores_is_said(answer: object) -> None:
    with pytest.raises(ValueError, match=r"answers with .*expected scores of shape \(patches, 6, rows, columns\)"):
        scores_in(answer, 6, 8, probabilities=False)

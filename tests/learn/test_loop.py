"""One step of training."""

from __future__ import annotations

import torch
from trainings import tiny_config

from geoseg.learn.loop import batch_loss


def test_scores_smaller_than_labels_are_brought_to_their_size() -> None:
    labels = torch.randint(0, 6, (2, 16, 16))
    small = torch.nn.functional.one_hot(labels, 6).permute(0, 3, 1, 2).float()[:, :, ::2, ::2]
    assert torch.isfinite(batch_loss(tiny_config(), small, labels, torch.zeros(2)))

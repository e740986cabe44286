"""One step of training."""

from __future__ import annotations

from pathlib import Path

import torch
from trainings import tiny_config

from geoseg.learn.loop import Steps


def test_scores_smaller_than_labels_are_brought_to_their_size(tmp_path: Path) -> None:
    config = tiny_config()
    steps = Steps(torch.nn.Identity(), None, None, [], config, config.stages[0], "cpu", "f32")  # type: ignore[arg-type]
    labels = torch.randint(0, 6, (2, 16, 16))
    small = torch.nn.functional.one_hot(labels, 6).permute(0, 3, 1, 2).float()[:, :, ::2, ::2]
    assert torch.isfinite(steps.loss(small, labels, torch.zeros(2)))

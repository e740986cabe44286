"""A network as export and timing need it: one tensor out; and standardised patches to try it on."""

from __future__ import annotations

import numpy as np
import torch

from geoseg.arrays import Floats
from geoseg.models.card import Card
from geoseg.scenes.scene import Scene

__all__ = ["PlainNetwork", "sample_patches"]


class PlainNetwork(torch.nn.Module):
    """A network whose output is one tensor, also where the network itself gives a dict with "out".

    `classes`: only the scores of so many classes; 0 for all that it gives.
    """

    def __init__(self, network: torch.nn.Module, classes: int = 0) -> None:
        super().__init__()
        self.network, self.classes = network, classes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (B, K, H, W) of images (B, C, H, W)."""
        out = self.network(x)
        scores: torch.Tensor = out["out"] if isinstance(out, dict) else out
        return scores[:, : self.classes] if self.classes else scores


def sample_patches(card: Card, count: int = 2) -> Floats:
    """Standardised patches float32 (N, C, P, P) of drawn scenes at the network's GSD; bands repeat after the fourth."""
    side, bands = card.patch, len(card.bands)
    out = np.zeros((count, bands, side, side), np.float32)
    for k in range(count):
        scene = Scene(31 + k, side * card.gsd, side * card.gsd, card.gsd)
        image = scene.tile(0, 0, side, side).image.transpose(2, 0, 1)
        out[k] = np.stack([image[i % 4] for i in range(bands)])
    mean, std = (np.array(v, np.float32)[None, :, None, None] for v in (card.mean, card.std))
    return np.asarray((out - mean) / std)

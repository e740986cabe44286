"""The U-Net decoder of the networks with a backbone that ImageNet knows: four levels, added, not stacked.

No global pooling anywhere, so scores depend only on pixels of a limited neighbourhood if those of the backbone do.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn
from torch.nn import functional

__all__ = ["UNet"]


def _fuse(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )


class UNet(nn.Module):
    """Scores (B, K, H, W) from images (B, C, H, W); H and W are multiples of 16."""

    def __init__(self, backbone: nn.Module, channels: dict[str, int], classes: int, width: int) -> None:
        """A decoder on a backbone.

        Args:
            backbone: what `levels` runs.
            channels: of the levels `at2`, `at4`, `at8` and `at16`, by the size of their pixels.
            classes: channels of the scores.
            width: channels of the decoder.
        """
        super().__init__()
        self.backbone = backbone
        self.laterals = nn.ModuleDict(
            {k: nn.Conv2d(c, width if k != "at2" else width // 2, 1) for k, c in channels.items()}
        )
        self.fuse8, self.fuse4, self.fuse2 = _fuse(width), _fuse(width), _fuse(width // 2)
        self.thin = nn.Conv2d(width, width // 2, 1)
        self.head = nn.Conv2d(width // 2, classes, 1)

    @abstractmethod
    def levels(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the backbone finds at each level."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of every pixel."""
        taps = {name: self.laterals[name](level) for name, level in self.levels(x).items()}
        y = self.fuse8(_double(taps["at16"]) + taps["at8"])
        y = self.fuse4(_double(y) + taps["at4"])
        y = self.fuse2(_double(self.thin(y)) + taps["at2"])
        return _double(self.head(y))


def _double(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

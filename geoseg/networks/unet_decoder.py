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


class AuxHead(nn.Module):
    """Scores beside the classes (B, A, H/2, W/2): a last decoder step of its own, so that classes keep their bits."""

    def __init__(self, fine: int, width: int, count: int) -> None:
        """A head on levels of `fine` and `width` channels that gives `count` scores."""
        super().__init__()
        self.at2, self.thin = nn.Conv2d(fine, width // 2, 1), nn.Conv2d(width, width // 2, 1)
        self.fuse, self.score = _fuse(width // 2), nn.Conv2d(width // 2, count, 1)

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """Scores from the backbone's level of half size and the decoder's of a quarter."""
        scores: torch.Tensor = self.score(self.fuse(self.at2(fine) + _double(self.thin(coarse))))
        return scores


class UNet(nn.Module):
    """Scores (B, K + A, H, W) from images (B, C, H, W); H and W are multiples of 16."""

    def __init__(
        self, backbone: nn.Module, channels: dict[str, int], classes: int, width: int, aux_scores: int = 0
    ) -> None:
        """A decoder on a backbone.

        Args:
            backbone: what `levels` runs.
            channels: of the levels `at2`, `at4`, `at8` and `at16`, by the size of their pixels.
            classes: K, channels of the scores.
            width: channels of the decoder.
            aux_scores: A, scores beside the classes, which come last.
        """
        super().__init__()
        self.backbone = backbone
        self.laterals = nn.ModuleDict(
            {k: nn.Conv2d(c, width if k != "at2" else width // 2, 1) for k, c in channels.items()}
        )
        self.fuse8, self.fuse4, self.fuse2 = _fuse(width), _fuse(width), _fuse(width // 2)
        self.thin = nn.Conv2d(width, width // 2, 1)
        self.head = nn.Conv2d(width // 2, classes, 1)
        self.aux_head = AuxHead(channels["at2"], width, aux_scores) if aux_scores else None

    @abstractmethod
    def levels(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the backbone finds at each level."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of every pixel."""
        levels = self.levels(x)
        taps = {name: self.laterals[name](level) for name, level in levels.items()}
        y = self.fuse8(_double(taps["at16"]) + taps["at8"])
        y4 = self.fuse4(_double(y) + taps["at4"])
        y = self.fuse2(_double(self.thin(y4)) + taps["at2"])
        scores = self.head(y)
        if self.aux_head is not None:
            scores = torch.cat([scores, self.aux_head(levels["at2"], y4)], 1)
        return _double(scores)


def _double(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

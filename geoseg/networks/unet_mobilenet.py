"""`unet_mobilenet_v2`: a U-Net decoder on the first fourteen stages of torchvision's MobileNetV2.

MobileNetV2: Sandler et al. 2018, table 2, cut at stride 16. There is no global pooling and no squeeze-excite, so
scores depend only on pixels within `RADIUS`. The encoder takes torchvision's ImageNet weights; `load_backbone` widens
its first convolution to any number of bands.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import mobilenet_v2

__all__ = ["RADIUS", "STRIDE", "UNetMobileNetV2", "unet_mobilenet_v2"]

STRIDE = 16
"""Patch sides, strides and starts are multiples of this."""

RADIUS = 177
"""No score depends on input further away than this, in pixels (a test measures it)."""

STAGES = {"at2": slice(0, 2), "at4": slice(2, 4), "at8": slice(4, 7), "at16": slice(7, 14)}
CHANNELS = {"at2": 16, "at4": 24, "at8": 32, "at16": 96}


def _fuse(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )


class UNetMobileNetV2(nn.Module):
    """Scores (B, K, H, W) from images (B, C, H, W); H and W are multiples of `STRIDE`."""

    def __init__(self, bands: int = 3, classes: int = 6, width: int = 64) -> None:
        super().__init__()
        features = mobilenet_v2(weights=None).features[:14]
        if bands != 3:
            old = features[0][0]
            features[0][0] = nn.Conv2d(bands, old.out_channels, 3, stride=2, padding=1, bias=False)
        self.backbone = features
        self.laterals = nn.ModuleDict(
            {k: nn.Conv2d(c, width if k != "at2" else width // 2, 1) for k, c in CHANNELS.items()}
        )
        self.fuse8, self.fuse4, self.fuse2 = _fuse(width), _fuse(width), _fuse(width // 2)
        self.thin = nn.Conv2d(width, width // 2, 1)
        self.head = nn.Conv2d(width // 2, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of every pixel."""
        taps = {}
        for name, stages in STAGES.items():
            x = self.backbone[stages](x)
            taps[name] = self.laterals[name](x)
        y = self.fuse8(_double(taps["at16"]) + taps["at8"])
        y = self.fuse4(_double(y) + taps["at4"])
        y = self.fuse2(_double(self.thin(y)) + taps["at2"])
        return _double(self.head(y))


def _double(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def unet_mobilenet_v2(bands: int = 3, classes: int = 6, width: int = 64) -> UNetMobileNetV2:
    """Small network, with ImageNet weights on request: 0.8 M parameters; a margin of `RADIUS` makes patches exact."""
    return UNetMobileNetV2(bands, classes, width)

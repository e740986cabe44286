"""`unet_mobilenet_v2`: a U-Net decoder on the first fourteen stages of torchvision's MobileNetV2.

MobileNetV2: Sandler et al. 2018, table 2, cut at stride 16. There is no global pooling and no squeeze-excite, so
scores depend only on pixels within `RADIUS`. The encoder takes torchvision's ImageNet weights; `load_backbone` widens
its first convolution to any number of bands.
"""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models import mobilenet_v2

from geoseg.networks.unet_decoder import UNet

__all__ = ["RADIUS", "STRIDE", "UNetMobileNetV2", "unet_mobilenet_v2"]

STRIDE = 16
"""Patch sides, strides and starts are multiples of this."""

RADIUS = 177
"""No score depends on input further away than this, in pixels (a test measures it)."""

STAGES = {"at2": slice(0, 2), "at4": slice(2, 4), "at8": slice(4, 7), "at16": slice(7, 14)}
CHANNELS = {"at2": 16, "at4": 24, "at8": 32, "at16": 96}


class UNetMobileNetV2(UNet):
    """Scores (B, K + A, H, W) from images (B, C, H, W); H and W are multiples of `STRIDE`."""

    def __init__(self, bands: int = 3, classes: int = 6, width: int = 64, aux_scores: int = 0) -> None:
        features = mobilenet_v2(weights=None).features[:14]
        if bands != 3:
            old = features[0][0]
            features[0][0] = nn.Conv2d(bands, old.out_channels, 3, stride=2, padding=1, bias=False)
        super().__init__(features, CHANNELS, classes, width, aux_scores)

    def levels(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the stages of the backbone give."""
        found = {}
        for name, stages in STAGES.items():
            x = self.backbone[stages](x)  # type: ignore[index]
            found[name] = x
        return found


def unet_mobilenet_v2(bands: int = 3, classes: int = 6, width: int = 64, aux_scores: int = 0) -> UNetMobileNetV2:
    """Small network, with ImageNet weights on request: 0.8 M parameters; a margin of `RADIUS` makes patches exact."""
    return UNetMobileNetV2(bands, classes, width, aux_scores)

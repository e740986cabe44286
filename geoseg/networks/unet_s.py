"""`unet_s`: a small U-Net whose output depends on a finite neighbourhood only.

Encoder-decoder with skip connections (Ronneberger, Fischer, Brox 2015, section 2) with residual stages (He et al. 2016)
and bilinear upsampling. There is no global pooling and no squeeze-excite: a score depends only on pixels within
`RADIUS`. So a mosaic of patches with a margin of at least that equals one pass over the whole image.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["RADIUS", "STRIDE", "UNetS", "unet_s"]

STRIDE = 16
"""Patch sides, strides and starts are multiples of this."""

RADIUS = 105
"""No score depends on input further away than this, in pixels (a test measures it)."""


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1, second: int = 3) -> None:
        super().__init__()
        self.first = _conv(inputs, outputs, 3, stride)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, second, 1, second // 2, bias=False), nn.BatchNorm2d(outputs)
        )
        self.skip = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.second(self.first(x)) + self.skip(x), inplace=True)


class UNetS(nn.Module):
    """Scores (B, K, H, W) from images (B, C, H, W); H and W are multiples of `STRIDE`."""

    def __init__(self, bands: int = 3, classes: int = 6, width: int = 24) -> None:
        super().__init__()
        a, b, c, d = width, 2 * width, 4 * width, 160 * width // 24
        self.stem = nn.Sequential(_conv(bands, a, 3, 2), _conv(a, a))  # /2
        self.down4 = _Residual(a, b, 2)
        self.down8 = _Residual(b, c, 2)
        self.down16 = nn.Sequential(_Residual(c, d, 2), _Residual(d, d, 1, second=1))
        self.from16, self.from8 = nn.Conv2d(d, 64, 1), nn.Conv2d(c, 64, 1)
        self.from4, self.from2 = nn.Conv2d(b, 48, 1), nn.Conv2d(a, 32, 1)
        self.fuse8, self.fuse4, self.fuse2 = _conv(64, 64), _conv(48, 48), _conv(32, 32)
        self.thin4, self.thin2 = nn.Conv2d(64, 48, 1), nn.Conv2d(48, 32, 1)
        self.head = nn.Conv2d(32, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of every pixel."""
        at2 = self.stem(x)  # (B, 24, H/2, W/2)
        at4 = self.down4(at2)  # (B, 48, H/4, W/4)
        at8 = self.down8(at4)  # (B, 96, H/8, W/8)
        y = self.from16(self.down16(at8))  # (B, 64, H/16, W/16)
        y = self.fuse8(_double(y) + self.from8(at8))
        y = self.fuse4(_double(self.thin4(y)) + self.from4(at4))
        y = self.fuse2(_double(self.thin2(y)) + self.from2(at2))
        return _double(self.head(y))


def _double(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def unet_s(bands: int = 3, classes: int = 6, width: int = 24) -> UNetS:
    """The default network of `geoseg train`: 1 M parameters, exact in patches with a margin of `RADIUS` or more."""
    return UNetS(bands, classes, width)

"""`encoder_decoder`: the classic U-Net, with two convolutions per level, max pooling and transposed convolutions.

Ronneberger, Fischer, Brox 2015, figure 1, with padding (output as large as input) and batch normalisation.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["EncoderDecoder", "encoder_decoder"]


def _level(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class EncoderDecoder(nn.Module):
    """Scores (B, K, H, W) from images (B, C, H, W); H and W are multiples of 2 to the power of `levels`."""

    def __init__(self, bands: int = 3, classes: int = 6, width: int = 32, levels: int = 4) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(levels + 1)]
        self.downs = nn.ModuleList([_level(i, o) for i, o in zip([bands, *sizes], sizes, strict=False)])
        self.pool = nn.MaxPool2d(2)
        self.opens = nn.ModuleList([nn.ConvTranspose2d(2 * s, s, 2, stride=2) for s in reversed(sizes[:-1])])
        self.ups = nn.ModuleList([_level(2 * s, s) for s in reversed(sizes[:-1])])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of every pixel."""
        skips = []
        for i, level in enumerate(self.downs):
            x = level(self.pool(x) if i else x)
            skips.append(x)
        for opened, up, skip in zip(self.opens, self.ups, reversed(skips[:-1]), strict=True):
            x = up(torch.cat([opened(x), skip], 1))
        scores: torch.Tensor = self.head(x)
        return scores


def encoder_decoder(bands: int = 3, classes: int = 6, width: int = 32, levels: int = 4) -> EncoderDecoder:
    """A plain U-Net, to learn from it and to train it from scratch: 7.8 M parameters at width 32."""
    return EncoderDecoder(bands, classes, width, levels)

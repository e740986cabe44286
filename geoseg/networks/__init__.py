"""Networks by name: `make_network("unet_s", bands=3, classes=6)`; `NETWORKS` holds those that need only torchvision.

The needs of a network on patches (`Geometry`) are measured where its receptive field is finite, else cautious guesses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module

from torch import nn

from geoseg.errors import UsageError
from geoseg.networks.smp_networks import SMP_DECODERS, smp_network

__all__ = ["NETWORKS", "Geometry", "geometry_of", "make_network"]


def _build(module: str, function: str, **arguments: object) -> nn.Module:
    """Import a network's module only when the network is built: torchvision takes 100 MB, and not all need it."""
    made: nn.Module = getattr(import_module(f"geoseg.networks.{module}"), function)(**arguments)
    return made


_TORCHVISION = (
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "deeplabv3_mobilenet_v3_large",
    "fcn_resnet50",
    "fcn_resnet101",
    "lraspp_mobilenet_v3_large",
)

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "unet_s": partial(_build, "unet_s", "unet_s"),
    "unet_mobilenet_v2": partial(_build, "unet_mobilenet", "unet_mobilenet_v2"),
    **{
        f"unet_efficientnet_lite{n}": partial(_build, "unet_efficientnet_lite", "unet_efficientnet_lite", size=n)
        for n in range(3)
    },
    "encoder_decoder": partial(_build, "encoder_decoder", "encoder_decoder"),
    **{name: partial(_build, "torchvision_networks", name) for name in _TORCHVISION},
}


@dataclass(frozen=True)
class Geometry:
    """Patch geometry in network pixels.

    `margin` is a multiple of `stride`, so that every patch starts on the same phase; 0 means that the receptive field
    is not known. `patch_dependent`: scores depend on the patch size.
    """

    stride: int
    margin: int
    patch_dependent: bool


_KNOWN = {
    "unet_s": Geometry(16, 112, False),
    "unet_mobilenet_v2": Geometry(16, 192, False),
    "unet_efficientnet_lite0": Geometry(16, 224, False),
    "unet_efficientnet_lite1": Geometry(16, 288, False),
    "unet_efficientnet_lite2": Geometry(16, 288, False),
    "encoder_decoder": Geometry(16, 0, False),
}


WITH_AUX = ("unet_mobilenet", "unet_efficientnet")
"""The networks that can give scores beside their classes."""


def make_network(name: str, bands: int, classes: int, **arguments: object) -> nn.Module:
    """A network with random weights.

    Raises:
        UsageError: there is no such network (names the nearest), or it does not take these arguments.
        EnvironmentFault: it needs a package that is not installed.
    """
    if arguments.get("aux_scores") and ("/" in name or name in NETWORKS) and not name.startswith(WITH_AUX):
        cure = f"use one of {', '.join(n for n in NETWORKS if n.startswith(WITH_AUX))}, or leave `aux` out"
        raise UsageError(name, "has no scores beside its classes", cure)
    if "/" in name:
        return smp_network(name, bands, classes, **arguments)
    if name not in NETWORKS:
        near = get_close_matches(name, NETWORKS, 1)
        known = f"{', '.join(NETWORKS)}; {', '.join(d + '/ENCODER' for d in SMP_DECODERS)}"
        raise UsageError(name, "is no known network", (f"did you mean {near[0]}? " if near else "") + f"known: {known}")
    try:
        return NETWORKS[name](bands=bands, classes=classes, **arguments)
    except TypeError as error:
        raise UsageError(name, f"does not take these arguments: {error}", "correct `arguments`") from error


def geometry_of(name: str) -> Geometry:
    """The patch geometry of a network; a cautious one where it was not measured."""
    return _KNOWN.get(name, Geometry(32, 0, True))

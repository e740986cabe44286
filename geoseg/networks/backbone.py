"""Pretrained weights for backbones: read as plain tensors, first convolution widened to any number of bands."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from geoseg.errors import EnvironmentFault, ModelError, UsageError

__all__ = ["BACKBONE", "HEAD", "imagenet_weights", "load_backbone", "matched_by_name", "widened"]

BACKBONE = ("backbone", "encoder", "stem", "down4", "down8", "down16", "downs")
"""Names of a network's parts that count as its backbone."""

HEAD = ("head", "classifier", "aux_classifier", "segmentation_head")
"""Names of the parts that give one channel per class."""


def imagenet_weights(network: str) -> dict[str, torch.Tensor]:
    """Torchvision's ImageNet weights for the backbone of a network, from its cache or the network: only where a config asks for "imagenet".

    Raises:
        UsageError: no such backbone in torchvision. EnvironmentFault: they cannot be fetched.
    """
    from torchvision import models

    known = [
        n
        for n in ("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v2", "mobilenet_v3_large")
        if n in network
    ]
    if not known:
        raise UsageError(
            network,
            "has no backbone that torchvision has ImageNet weights for",
            "give a FILE as backbone_weights, or none",
        )
    try:
        state: dict[str, torch.Tensor] = models.get_model_weights(known[0]).DEFAULT.get_state_dict(
            progress=False, check_hash=True
        )
    except (OSError, RuntimeError) as error:
        raise EnvironmentFault(
            f"ImageNet weights of {known[0]}", f"cannot be fetched: {error}", "give a FILE as backbone_weights"
        ) from error
    return state


def widened(weight: torch.Tensor, bands: int) -> torch.Tensor:
    """A first convolution (O, I, k, k) for `bands` inputs: more bands repeat the filters, all scaled so that sums stay as they were."""
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


def load_backbone(network: nn.Module, state: dict[str, torch.Tensor], subject: object) -> int:
    """Put a classifier's weights (torchvision state dict) into a network's backbone; returns the number of tensors taken.

    Names are matched with and without `features.`; the classifier of the pretrained network is left aside.

    Raises:
        ModelError: fewer than nine in ten of the backbone's tensors found a partner, or one has another shape.
    """
    backbone = _backbone_of(network)
    own = backbone.state_dict()
    found = {}
    first = next((k for k, v in own.items() if v.ndim == 4), "")
    for name, tensor in own.items():
        source = next(
            (state[k] for k in (name, f"features.{name}", f"backbone.{name}", f"encoder.{name}") if k in state), None
        )
        if source is None:
            continue
        if name == first and source.ndim == 4 and source.shape[1] != tensor.shape[1]:
            source = widened(source, tensor.shape[1])
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


def matched_by_name(
    network: nn.Module, state: dict[str, Any], own_classes: tuple[str, ...], their_classes: tuple[str, ...]
) -> tuple[int, list[str]]:
    """Start from another network's weights: layers of the same name and shape, and of its last layers the channels of classes that share a name.

    Returns the number of tensors taken and the names of the classes found.
    """
    own = network.state_dict()
    shared = [c for c in own_classes if c in their_classes]
    taken = 0
    for name, tensor in own.items():
        other = state.get(name)
        if other is None:
            continue
        if other.shape == tensor.shape and own_classes == their_classes:
            own[name] = other
        elif (
            other.ndim
            and tensor.ndim
            and tensor.shape[0] == len(own_classes)
            and other.shape[0] == len(their_classes)
            and other.shape[1:] == tensor.shape[1:]
            and _is_head(name)
        ):
            mixed = tensor.clone()
            for c in shared:
                mixed[own_classes.index(c)] = other[their_classes.index(c)]
            own[name] = mixed
        elif other.shape == tensor.shape and not (
            _is_head(name) and tensor.ndim and tensor.shape[0] == len(own_classes)
        ):
            own[name] = other
        elif (
            tensor.ndim == 4
            and other.ndim == 4
            and other.shape[0] == tensor.shape[0]
            and other.shape[2:] == tensor.shape[2:]
        ):
            own[name] = widened(other, tensor.shape[1])
        else:
            continue
        taken += 1
    network.load_state_dict(own)
    return taken, shared


def _is_head(name: str) -> bool:
    return name.split(".")[0] in HEAD

"""Parts of a network in training: frozen ones, learning rates for each, schedules, and the running average."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from geoseg.arrays import Json
from geoseg.errors import UsageError
from geoseg.networks.backbone import BACKBONE, HEAD

__all__ = ["SCHEDULES", "Average", "freeze", "parameter_groups", "training_mode"]

GROUPS = {"backbone": BACKBONE, "head": HEAD}


def _matches(name: str, wanted: str) -> bool:
    first = name.split(".")[0]
    return name == wanted or name.startswith(wanted + ".") or first in GROUPS.get(wanted, ())


def freeze(network: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Freeze parts of a network by name, and thaw all others; returns the frozen modules.

    A name is that of a module, or `backbone` or `head`, which every network has.

    Raises:
        UsageError: a name that is no part of the network; lists the parts.
    """
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    frozen = []
    for wanted in names:
        hit = [m for n, m in network.named_modules() if n and _matches(n, wanted)]
        if not hit:
            parts = ", ".join(n for n, _ in network.named_children())
            raise UsageError("freeze", f"{wanted!r} is no part of this network", f"parts: backbone, head, {parts}")
        frozen += hit
    for module in frozen:
        for parameter in module.parameters():
            parameter.requires_grad_(False)
    return frozen


def training_mode(network: nn.Module, frozen: Sequence[nn.Module]) -> None:
    """Switch to training mode, except in frozen parts: their batch norms keep the statistics that they came with."""
    network.train()
    for module in frozen:
        module.eval()


def parameter_groups(network: nn.Module, rate: float, backbone_rate: float | None, decay: float) -> list[Json]:
    """Groups of parameters as optimisers take them, each with its base rate: backbone and rest, with and without decay.

    Weight decay is for matrices, not for norms and biases.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.split(".")[0] in BACKBONE, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "base": (backbone_rate or rate) if backbone else rate,
            "lr": 0.0,
            "weight_decay": decay if matrix else 0.0,
        }
        for (backbone, matrix), parameters in sorted(groups.items(), key=lambda g: g[0])
    ]


SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)) * 0.999 + 0.001,
    "poly": lambda share: max(0.001, (1 - share) ** 0.9),
    "constant": lambda share: 1.0,
}
"""Schedules by name: the share of a stage that is done -> factor of its learning rates."""


class Average:
    """Exponential moving average of weights and batch-norm statistics.

    Its decay grows with the number of steps, up to `decay`, so that the first weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.count = decay, 0
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    def update(self, network: nn.Module) -> None:
        """Add the weights after one step."""
        self.count += 1
        keep = min(self.decay, self.count / (self.count + 10))
        with torch.no_grad():
            for key, value in network.state_dict().items():
                if value.is_floating_point():
                    self.state[key].lerp_(value, 1 - keep)
                else:
                    self.state[key].copy_(value)

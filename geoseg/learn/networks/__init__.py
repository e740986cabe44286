"""Networks by name: each value is a function (bands=, classes=, ...) -> torch module."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from geoseg.learn.networks.unet_s import unet_s

__all__ = ["NETWORKS"]

NETWORKS: dict[str, Callable[..., nn.Module]] = {"unet_s": unet_s}

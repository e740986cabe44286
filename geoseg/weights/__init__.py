"""The networks that come with geoseg, by name."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["NAMES", "model_path", "shipped_model"]

NAMES = {"shipped": "unet_mobilenet_v2.safetensors", "shipped-0.1": "unet_mobilenet_v2_0.1.safetensors"}
"""File of each network; that of version 0.1 stays for one version, so that its maps can be made again."""


def shipped_model(name: str = "shipped") -> Path:
    """The file of a network that comes with geoseg."""
    return Path(__file__).parent / NAMES[name]


def model_path(value: str | os.PathLike[str]) -> Path:
    """The file that a name of `NAMES` means where no such file is there; else the path as it is."""
    path = Path(value)
    return shipped_model(str(value)) if str(value) in NAMES and not path.is_file() else path

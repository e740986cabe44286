"""A tiny training, and the weights that one leaves."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from geoseg.learn.settings import TrainConfig


def tiny_config(**more: object) -> TrainConfig:
    """A tiny training on drawn scenes."""
    value = {
        "model": {"network": "unet_s", "arguments": {"width": 8}, "gsd": 0.2, "patch": 320, "overlap": 256},
        "data": [
            {"kind": "scenes", "name": "scenes", "seed": 5, "count": 2, "metres": 16, "pixel_sizes": [0.2, 0.24]},
            {
                "kind": "scenes",
                "name": "held",
                "seed": 900,
                "count": 1,
                "metres": 16,
                "pixel_sizes": [0.2, 0.2],
                "use": "validation",
            },
        ],
        "crop": 64,
        "batch": 2,
        "stages": [{"steps": 4, "rate": 0.002, "freeze": ["backbone"]}, {"steps": 6, "rate": 0.001, "augment": 0.5}],
        "validate_every": 5,
        "checkpoint_every": 2,
        "precision": "f32",
        "threads": 1,
        "workers": 0,
        **more,
    }
    return TrainConfig.model_validate(value)


def weights_of(out: Path) -> dict[str, torch.Tensor]:
    """Weights of a finished training."""
    return load_file(out / "model.safetensors")

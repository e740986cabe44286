"""Weights that do not fit their card are refused."""

from __future__ import annotations

import json

import pytest
import torch

from geoseg.classes import ISPRS
from geoseg.errors import ModelError
from geoseg.models.files import load_model, shipped_model


def test_models_that_cannot_be_used_say_why(tmp_path):
    model = load_model(shipped_model())
    cases = {
        "nan": ({**model.state, "head.bias": torch.full((6,), torch.nan)}, {}, "hold NaN"),
        "complex": ({**model.state, "head.bias": torch.zeros(6, dtype=torch.complex64)}, {}, "are complex64"),
        "whole": ({**model.state, "head.bias": torch.zeros(6, dtype=torch.int32)}, {}, "are int32, expected float32"),
        "classes": (model.state, {"classes": ISPRS.to_json()[:5]}, f"do not fit {model.card.architecture}"),
        "architecture": (model.state, {"architecture": "unet_xxl"}, "known: unet_s"),
        "bands": (
            model.state,
            {"bands": ["red", "green"], "mean": [1, 1], "std": [1, 1]},
            f"do not fit {model.card.architecture}",
        ),
        "missing": (
            {k: v for k, v in model.state.items() if "head" not in k},
            {},
            f"do not fit {model.card.architecture}",
        ),
    }
    from geoseg.models.load import build_network

    for name, (state, changes, message) in cases.items():
        torch.save(state, tmp_path / f"{name}.pt")
        (tmp_path / f"{name}.json").write_text(json.dumps({**model.card.to_json(), **changes}))
        with pytest.raises(ModelError, match=message):
            build_network(load_model(tmp_path / f"{name}.pt"))
    for name, data, message in (
        ("lfs.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "LFS pointer"),
        ("cut.safetensors", shipped_model().read_bytes()[:5000], "damaged"),
        ("text.pt", b"hello", "not a model"),
        ("nocard.onnx", b"\0", "is damaged"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=message):
            load_model(tmp_path / name)

"""geoseg model import."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from geoseg.models.files import load_model
from geoseg.models.load import build_network


def test_importing_foreign_weights(tmp_path: Path, geoseg) -> None:
    from geoseg.networks import make_network

    network = make_network("unet_s", 3, 6, width=8)
    wrapped = {"epoch": 3, "state_dict": {f"model.{k}": v for k, v in network.state_dict().items()}}
    torch.save(wrapped, tmp_path / "trainer.ckpt")
    common = ("--classes", "isprs", "--gsd", 0.1, "--arguments", '{"width": 8}')
    code, out, err = geoseg(
        "model",
        "import",
        tmp_path / "trainer.ckpt",
        "-o",
        tmp_path / "m.safetensors",
        "--architecture",
        "unet_s",
        *common,
    )
    assert code == 0, err
    assert "ready" in out
    again = build_network(load_model(tmp_path / "m.safetensors"))
    assert torch.equal(again.head.weight, network.head.weight)  # type: ignore[attr-defined]
    code, _, err = geoseg(
        "model",
        "import",
        tmp_path / "trainer.ckpt",
        "--architecture",
        "encoder_decoder",
        "--classes",
        "isprs",
        "--gsd",
        0.1,
    )
    assert code == 5
    assert "do not fit encoder_decoder" in err
    code, _, err = geoseg("model", "import", tmp_path / "trainer.ckpt", "--architecture", "unet_s", "--gsd", 0.1)
    assert code == 2
    assert "does not say its classes" in err


def test_importing_a_pickle_runs_nothing(tmp_path: Path, geoseg) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'owned'}",)

    torch.save({"state_dict": {"a": Evil()}}, tmp_path / "evil.ckpt")
    code, _, err = geoseg(
        "model", "import", tmp_path / "evil.ckpt", "--architecture", "unet_s", "--classes", "isprs", "--gsd", 0.1
    )
    assert code == 5
    assert "evil.ckpt" in err
    assert not (tmp_path / "owned").exists()


def test_importing_what_smp_saved(tmp_path: Path, geoseg) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    smp.Unet("resnet18", encoder_weights=None, classes=6).save_pretrained(str(tmp_path / "saved"))
    code, _, err = geoseg(
        "model", "import", tmp_path / "saved", "-o", tmp_path / "m.safetensors", "--classes", "isprs", "--gsd", 0.1
    )
    assert code == 0, err
    assert load_model(tmp_path / "m.safetensors").card.architecture == "unet/resnet18"

"""geoseg model import."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import write_sheet

from geoseg.gis.model_card import mlm_item
from geoseg.models.files import load_model, shipped_model
from geoseg.models.load import build_network
from geoseg.networks.smp_networks import SMP_DECODERS


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


def _onnx(path: Path, **options: object) -> Path:
    """A network of six classes over three bands as ONNX."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    network = torch.nn.Conv2d(3, 6, 3, padding=1).eval()
    names = {"input_names": ["x"], "output_names": ["y"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(1, 3, 96, 96),), path, dynamo=False, **names, **options)
    return path


def test_the_patch_that_an_onnx_file_is_fixed_to_is_said_and_taken(tmp_path: Path, geoseg) -> None:
    file = _onnx(tmp_path / "n.onnx")
    common = ("model", "import", file, "--classes", "isprs", "--gsd", 0.1)
    code, _, err = geoseg(*common, "--patch", 128)
    assert (code, "takes patches of 96 px only, --patch says 128 (give --patch 96)" in err) == (5, True), err
    code, _, err = geoseg(*common, "--bands", "red,green")
    assert (code, "takes 3 bands, --bands names 2" in err) == (5, True), err
    code, _, err = geoseg(*common)
    assert code == 0, err
    assert "takes patches of exactly 96 x 96 px" in err
    assert load_model(file).card.patch == 96
    write_sheet(tmp_path / "s.tif", np.full((3, 200, 210), 90, np.uint8))
    assert geoseg("tile", tmp_path / "s.tif", "-o", tmp_path / "own", "--patch-size", 64, "--overlap", 32)[0] == 0
    code, _, err = geoseg("infer", tmp_path / "own", "--model", file)
    assert (code, "rows x columns of 1 x 3 x 96 x 96, these are 1 x 3 x 64 x 64" in err) == (5, True), err
    assert geoseg("tile", tmp_path / "s.tif", "-o", tmp_path / "run")[0] == 0
    code, _, err = geoseg("infer", tmp_path / "run", "--model", file)
    assert code == 0, err


def test_a_program_is_fixed_to_its_patch_as_well(tmp_path: Path, geoseg) -> None:
    network = torch.nn.Conv2d(3, 6, 3, padding=1).eval()
    torch.export.save(torch.export.export(network, (torch.zeros(1, 3, 64, 64),)), tmp_path / "n.pt2")
    code, _, err = geoseg("model", "import", tmp_path / "n.pt2", "--classes", "isprs", "--gsd", 0.1)
    assert code == 0, err
    assert load_model(tmp_path / "n.pt2").card.patch == 64


def test_deepness_without_a_tile_size_takes_it_from_the_graph(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    model = onnx.load(_onnx(tmp_path / "n.onnx"))
    keys = {"resolution": "10", "class_names": '{"0": "rest", "1": "building"}'}
    keys |= {"standardization_mean": "[0.5, 0.5, 0.5]", "standardization_std": "[0.2, 0.2, 0.2]"}
    for key, value in keys.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    (tmp_path / "n.onnx").write_bytes(model.SerializeToString())
    card = load_model(tmp_path / "n.onnx").card
    assert (card.patch, card.overlap, card.classes.classes[1].role) == (96, 24, "building")


def test_an_item_of_mlm_in_place_of_the_other_facts(tmp_path: Path, geoseg) -> None:
    file = _onnx(tmp_path / "n.onnx")
    card = replace(load_model(shipped_model()).card, patch=96, overlap=24, margin=0)
    (tmp_path / "item.json").write_text(json.dumps(mlm_item(card, "0" * 64, "n.onnx", "2026-01-01T00:00:00Z")))
    code, _, err = geoseg("model", "import", file, "--card", tmp_path / "item.json", "--gsd", 0.1)
    assert (code, "--card: says what --gsd says, too" in err) == (2, True), err
    code, _, err = geoseg("model", "import", file, "--card", tmp_path / "item.json")
    assert code == 0, err
    assert load_model(file).card == replace(card, architecture="onnx")


def test_every_decoder_of_smp_is_known() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    public = [getattr(smp, name) for name in dir(smp) if name[0] != "_"]
    networks = {c.__name__ for c in public if isinstance(c, type) and issubclass(c, smp.base.SegmentationModel)}
    assert networks == set(SMP_DECODERS.values())

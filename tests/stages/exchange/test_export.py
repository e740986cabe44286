"""geoseg model export."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import layouts
import numpy as np
import pytest
import rasterio
from fakes import untrained
from support import write_sheet

from geoseg.models.files import load_model
from geoseg.networks import NETWORKS

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name", ["unet_s", *(pytest.param(n, marks=SLOW) for n in ("unet_mobilenet_v2", "lraspp_mobilenet_v3_large"))]
)
@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_exports_give_the_same_classes_in_infer(name: str, suffix: str, tmp_path: Path, geoseg) -> None:
    if suffix == ".onnx" and not importlib.util.find_spec("onnxruntime"):
        pytest.skip("onnxruntime is not installed")
    model = untrained(tmp_path / "m.safetensors", name)
    code, out, err = geoseg("model", "export", model, "-o", tmp_path / f"m{suffix}")
    assert code == 0, err
    assert float(out.split("class on ")[1].split(" %")[0]) >= 99.99
    if name == "unet_s":
        rng = np.random.default_rng(0)
        write_sheet(tmp_path / "s" / "a.tif", layouts.picture_of(layouts.patchwork(rng, (300, 280)), rng))
        rasters = []
        for k, file in enumerate((model, tmp_path / f"m{suffix}")):
            run = tmp_path / f"run{k}"
            for command in (
                ("tile", tmp_path / "s", "-o", run),
                ("infer", run, "--model", file, "--engine", "torch"),
                ("mosaic", run, "--no-vectors"),
            ):
                code, _, err = geoseg(*command)
                assert code == 0, err
            with rasterio.open(next((run / "out").glob("*_classes.tif"))) as dataset:
                rasters.append(dataset.read(1))
        assert (rasters[0] == rasters[1]).mean() >= 0.9999


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NETWORKS, "unet/resnet18", "fpn/resnet18", "segformer/mit_b0"])
def test_every_network_runs_in_infer_and_exports(name: str, tmp_path: Path, geoseg) -> None:
    if "/" in name:
        pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    model = untrained(tmp_path / "m.safetensors", name)
    rng = np.random.default_rng(0)
    write_sheet(tmp_path / "s" / "a.tif", layouts.picture_of(layouts.patchwork(rng, (140, 150)), rng))
    code, _, err = geoseg("tile", tmp_path / "s", "-o", tmp_path / "run")
    assert code == 0, err
    code, _, err = geoseg("infer", tmp_path / "run", "--model", model, "--engine", "torch")
    assert code == 0, err
    for suffix in (".onnx", ".pt2"):
        code, _, err = geoseg("model", "export", model, "-o", tmp_path / f"m{suffix}")
        assert code == 0, err


def test_onnx_carries_the_keys_of_deepness(tmp_path: Path, geoseg) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    model = untrained(tmp_path / "m.safetensors", "unet_s", width=8)
    assert geoseg("model", "export", model, "-o", tmp_path / "m.onnx")[0] == 0
    keys = {p.key: json.loads(p.value) for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert keys["model_type"] == "Segmentor"
    assert keys["resolution"] == 10.0  # centimetres
    assert keys["class_names"]["1"] == "building"
    assert abs(keys["standardization_mean"][0] - 120 / 255) < 1e-5
    assert load_model(tmp_path / "m.onnx").card.margin == 112

"""geoseg train: model, log and curves, restarts, refusals."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import layouts
import numpy as np
import pytest
import rasterio
import torch
import yaml
from affine import Affine
from PIL import Image
from rasterio.transform import array_bounds
from rasterio.warp import Resampling, reproject, transform_bounds
from support import CONFIGS, CRS, PLACE, moved, write_sheet
from trainings import tiny_config, weights_of

import geoseg as geoseg_package
from geoseg.datasets.corrections.manifest import Manifest, image_path, label_path, write_manifest
from geoseg.errors import TrainingError, UsageError
from geoseg.gis.picture import write_png
from geoseg.learn.loop import Steps
from geoseg.learn.settings import TrainConfig
from geoseg.models.card import Card
from geoseg.models.files import load_model, shipped_model
from geoseg.stages.evaluate.evaluate import EvaluateOptions, evaluate_model
from geoseg.stages.train.train import train


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


def test_training_leaves_model_log_and_curves(tmp_path: Path) -> None:
    lines: list[str] = []
    result = train(tiny_config(), tmp_path, lines.append)
    assert result.steps == 10
    card = load_model(tmp_path / "model.safetensors").card
    assert card.architecture == "unet_s"
    assert card.margin == 112
    assert "protocol" in card.metrics
    assert "backbone frozen" in card.training
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [int(r["step"]) for r in rows] == [4, 5, 10]
    assert all(np.isfinite(float(r["loss"])) for r in rows)
    with Image.open(tmp_path / "curves.png") as curves:
        assert curves.size[0] > 500
    text = "\n".join(lines)
    assert "samples/s" in text
    assert "% waiting for data" in text
    assert "validation mIoU" in text


def test_the_loss_of_the_test_split_is_reported(tmp_path: Path) -> None:
    """Crops of one piece of drawn ground that are spread evenly; the figure is that of the loss by hand."""
    data = tiny_config().model_dump(mode="json")["data"]
    config = tiny_config(data=[*data, {**data[1], "name": "last", "seed": 950, "use": "test"}], stages=[{"steps": 2}])
    lines: list[str] = []
    train(config, tmp_path, lines.append)
    found = load_model(tmp_path / "model.safetensors").card.metrics["test"]
    assert f"test split: mean loss {found['mean_loss']:.4f}" in "\n".join(lines)
    assert found["mean_loss"] > 0
    assert "test sets (last)" in found["protocol"]
    assert "over 2 crops of 64 px" in found["protocol"]


def _config_with_photos(folder: Path) -> TrainConfig:
    """The tiny training with a photo that nobody labelled."""
    folder.mkdir()
    pixels = np.random.default_rng(3).integers(0, 256, (3, 90, 90), np.uint8)
    write_png(folder / "town.png", pixels.transpose(1, 2, 0))
    photos = {"kind": "unlabelled", "name": "town", "root": folder, "images": "*.png", "gsd": 0.2}
    data = [*(d.model_dump() for d in tiny_config().data), photos]
    return tiny_config(data=data, adapt={"threshold": 0.2, "mix": 1, "colours": 0.5})


def test_photos_without_labels_change_the_weights(tmp_path: Path) -> None:
    config = _config_with_photos(tmp_path / "photos")
    silent = config.model_copy(update={"adapt": config.adapt.model_copy(update={"weight": 0.0})})
    train(config, tmp_path / "a")
    train(silent, tmp_path / "b")
    assert not _same(weights_of(tmp_path / "a"), weights_of(tmp_path / "b"))
    assert "on scenes, town" in load_model(tmp_path / "a" / "model.safetensors").card.training


def test_the_shipped_network_can_be_the_start(tmp_path: Path) -> None:
    model = {"network": "unet_mobilenet_v2", "init": "shipped", "gsd": 0.2, "patch": 480, "overlap": 416}
    train(tiny_config(model=model, stages=[{"steps": 1, "rate": 1e-9}], average=0.0), tmp_path)
    shipped, own = load_model(shipped_model()).state, weights_of(tmp_path)
    assert shipped is not None
    assert torch.allclose(shipped["head.weight"], own["head.weight"], atol=1e-6)
    sha = hashlib.sha256(shipped_model().read_bytes()).hexdigest()
    found, parent = load_model(tmp_path / "model.safetensors").card, load_model(shipped_model()).card
    assert found.parent == f"{parent.name}, SHA-256 {sha}"
    assert Card.from_json(found.to_json(), "card") == found
    assert "parent" not in parent.to_json()


@pytest.mark.parametrize("photos", [False, True])
def test_a_restart_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: bool) -> None:
    """Stopped in the middle of a stage, between a checkpoint and the next, then started again."""
    config = _config_with_photos(tmp_path / "photos") if photos else tiny_config()
    train(config, tmp_path / "whole")
    take, calls = Steps.take, []

    def stopping(self: Steps, *arguments: object) -> object:
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return take(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Steps, "take", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "cut")
    monkeypatch.undo()
    train(config, tmp_path / "cut")
    assert _same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "cut"))
    assert (tmp_path / "whole" / "log.csv").read_bytes() == (tmp_path / "cut" / "log.csv").read_bytes()


@pytest.mark.slow
def test_kill_9_and_restart_give_the_same_weights(tmp_path: Path) -> None:
    config = tiny_config(stages=[{"steps": 60, "rate": 0.002}], validate_every=20)
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    command = [sys.executable, "-m", "geoseg.cli.main", "train", str(path), "-o"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    process = subprocess.Popen(
        [*command, str(tmp_path / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (tmp_path / "killed" / "log.csv").exists():
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True)
    assert _same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "killed"))


def test_checkpoint_of_another_config_is_not_mixed(tmp_path: Path) -> None:
    short = [{"steps": 2, "rate": 0.001}]
    train(tiny_config(stages=short), tmp_path)
    with pytest.raises(UsageError, match="checkpoint of another config"):
        train(tiny_config(stages=short, seed=9), tmp_path)
    train(tiny_config(stages=short, seed=9), tmp_path, overwrite=True)


def test_loss_that_is_not_finite_stops_with_its_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Steps.forward

    def broken(self: Steps, *arguments: object) -> object:
        return forward(self, *arguments) * float("nan")  # type: ignore[arg-type]

    monkeypatch.setattr(Steps, "forward", broken)
    with pytest.raises(TrainingError, match="the loss is nan"):
        train(tiny_config(), tmp_path)
    with np.load(tmp_path / "bad_batch.npz") as kept:
        assert kept["images"].shape == (2, 3, 64, 64)


def test_early_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = train(
        tiny_config(stages=[{"steps": 40, "rate": 1e-9}], validate_every=2, patience=2, average=0.0), tmp_path
    )
    assert result.steps <= 12


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    """Four samples at once or twice two: the same samples, nearly the same step (batch norm sees smaller batches)."""
    stages = [{"steps": 3, "rate": 0.001}]
    train(tiny_config(stages=stages, batch=4), tmp_path / "large")
    train(tiny_config(stages=stages, batch=2, accumulate=2), tmp_path / "parts")
    a, b = weights_of(tmp_path / "large"), weights_of(tmp_path / "parts")
    assert torch.allclose(a["head.bias"], b["head.bias"], atol=0.01)


def test_leaking_config_is_refused_before_training(tmp_path: Path) -> None:
    scenes = {"kind": "scenes", "seed": 5, "count": 2, "metres": 16, "pixel_sizes": [0.2, 0.2]}
    config = tiny_config(data=[scenes, {**scenes, "name": "held", "use": "validation"}])
    with pytest.raises(UsageError, match="same image is in validation"):
        train(config, tmp_path)


def test_unknown_keys_and_values_name_line_and_cure(tmp_path: Path, geoseg) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model:\n  network: unet_s\ndata:\n  - kind: scenes\n    cuont: 3\n")
    code, _, err = geoseg("train", path, "-o", tmp_path / "o")
    assert code == 2
    assert "c.yaml:5: unknown key 'data.0.cuont' (did you mean 'count'?)" in err
    path.write_text("data:\n  - kind: scenes\nloss:\n  kind: crossentropy\n")
    code, _, err = geoseg("train", path, "-o", tmp_path / "o")
    assert code == 2
    assert "c.yaml:4" in err
    path.write_text("model:\n  network: unet_t\ndata:\n  - kind: scenes\n    metres: 16\n")
    code, _, err = geoseg("train", path, "-o", tmp_path / "o")
    assert code == 2
    assert "did you mean unet_s" in err
    assert not (tmp_path / "o" / "model.safetensors").exists()


def test_a_batch_of_one_is_refused_where_pooling_needs_two(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs two"):
        train(tiny_config(model={"network": "deeplabv3_mobilenet_v3_large", "gsd": 0.2}, batch=1), tmp_path)


def test_training_starts_from_given_weights(tmp_path: Path, geoseg) -> None:
    from torchvision.models import mobilenet_v2

    torch.manual_seed(0)
    torch.save(mobilenet_v2(weights=None).state_dict(), tmp_path / "backbone.pth")
    model = {"network": "unet_mobilenet_v2", "gsd": 0.2, "patch": 480, "overlap": 416}
    config = tiny_config(model=model, stages=[{"steps": 2, "rate": 0.001, "freeze": ["backbone"]}])
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    code, _, err = geoseg("train", path, "-o", tmp_path / "o", "--backbone-weights", tmp_path / "backbone.pth")
    assert code == 0, err
    given, found = torch.load(tmp_path / "backbone.pth", weights_only=True), weights_of(tmp_path / "o")
    assert torch.equal(found["backbone.4.conv.0.0.weight"], given["features.4.conv.0.0.weight"])
    code, _, err = geoseg(
        "train", path, "-o", tmp_path / "p", "--init", tmp_path / "o" / "model.safetensors", "--max-steps", 1
    )
    assert code == 0, err
    assert torch.equal(weights_of(tmp_path / "p")["backbone.4.conv.0.0.weight"], given["features.4.conv.0.0.weight"])
    code, _, err = geoseg("train", path, "-o", tmp_path / "q", "--backbone-weights", tmp_path / "nothing.pth")
    assert code == 5
    assert "nothing.pth" in err


def test_preview_shows_samples(tmp_path: Path, geoseg) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(tiny_config().model_dump(mode="json", exclude_none=True)))
    code, _, err = geoseg("train", path, "--preview", tmp_path / "p.png")
    assert code == 0, err
    with Image.open(tmp_path / "p.png") as image:
        picture = np.asarray(image)
    assert picture.shape == (4 * (2 * 64 + 12), 6 * (64 + 8), 3)
    assert picture.std() > 20


@pytest.mark.slow
def test_a_minute_of_training_beats_the_majority_class(tmp_path: Path) -> None:
    """About 60 CPU seconds from scratch on drawn scenes: at least 20 points above always saying the commonest class."""
    config = tiny_config(
        model={"network": "unet_s", "gsd": 0.2, "patch": 320, "overlap": 256},
        data=[
            {"kind": "scenes", "name": "scenes", "seed": 5, "count": 8, "metres": 48, "pixel_sizes": [0.18, 0.22]},
            {
                "kind": "scenes",
                "name": "held",
                "seed": 900,
                "count": 3,
                "metres": 48,
                "pixel_sizes": [0.2, 0.2],
                "use": "validation",
            },
        ],
        stages=[{"steps": 150, "rate": 0.003}],
        crop=128,
        batch=8,
        validate_every=150,
    )
    train(config, tmp_path)
    report = evaluate_model(tmp_path / "model.safetensors", config, EvaluateOptions(), tmp_path / "cache").report
    truth = np.array(report["confusion"]["rows_are_truth"]).sum(1)
    assert report["overall_accuracy"] > truth.max() / truth.sum() + 0.20


@pytest.mark.slow
def test_two_processes_train_together(tmp_path: Path) -> None:
    config = tiny_config(stages=[{"steps": 4, "rate": 0.001}])
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "29655",
        "-m",
        "geoseg.cli.main",
    ]
    done = subprocess.run(
        [*command, "train", str(path), "-o", str(tmp_path / "o")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_model(tmp_path / "o" / "model.safetensors").card.architecture == "unet_s"


def _rehearsal(name: str, root: Path) -> dict[str, object]:
    """A config on a generated folder of the right layout, small enough for a test; all else as it ships."""
    value = yaml.safe_load((CONFIGS / name).read_text())
    makers = {"isprs": layouts.potsdam, "voc": layouts.voc, "cityscapes": layouts.cityscapes}
    for section in value["data"]:
        if section["kind"] in makers:
            section["root"] = str(makers[section["kind"]](root / section["kind"]))
        if section["kind"] == "scenes":
            section.update(count=2, metres=16)
        if section["kind"] == "corrections":
            section["root"] = str(_a_set_of_corrections(root / "set"))
        if section["kind"] == "unlabelled":
            section["root"] = str(layouts.potsdam(root / "photos") / "2_Ortho_RGB")
    for key in ("backbone_weights", "init"):  # fetched from the network
        value["model"].pop(key, None)
    value |= {"crop": 64, "batch": 2, "threads": 1, "workers": 0}
    return value


def _a_set_of_corrections(folder: Path) -> Path:
    """One crop of which a few pixels are known."""
    labels = np.full((200, 200), 255, np.uint8)
    labels[80:120, 80:120], labels[20:40, 20:40] = 1, 254
    photo = np.random.default_rng(1).integers(0, 60, (3, 200, 200), np.uint8)
    photo[0, labels == 1], photo[2, labels == 254] = 200, 200
    write_sheet(image_path(folder, "0_0"), photo)
    write_sheet(label_path(folder, "0_0"), labels, nodata=255)
    values = {"1": "building", "254": "not impervious surface"}
    write_manifest(folder, Manifest([], [], values, 0.1, 3, "uint8", ["0_0"], {}))
    return folder


def test_a_network_learns_what_people_said(tmp_path: Path) -> None:
    """One crop with a few known pixels: after a few steps the network says the same of them."""
    root = str(_a_set_of_corrections(tmp_path / "set"))
    data = [{"kind": "corrections", "root": root}]
    config = tiny_config(data=data, stages=[{"steps": 30, "rate": 0.01, "augment": 0}], average=0.0)
    train(config.model_copy(update={"model": config.model.model_copy(update={"gsd": 0.1})}), tmp_path / "o")
    network = geoseg_package.load_model(tmp_path / "o/model.safetensors")
    with rasterio.open(image_path(Path(root), "0_0")) as dataset:
        classes, _ = network.segment(dataset.read())
    assert (classes[80:120, 80:120] == 1).mean() > 0.9
    assert (classes[20:40, 20:40] != 0).mean() > 0.9
    card = load_model(tmp_path / "o/model.safetensors").card
    assert "on corrections1" in card.training
    assert card.parent == ""


SHIPPED = sorted(p.name for p in CONFIGS.glob("*.yaml") if p.name not in ("nightly.yaml", "default_model.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_every_config_reaches_its_first_validation(name: str, tmp_path: Path, geoseg) -> None:
    path = tmp_path / name
    path.write_text(yaml.safe_dump(_rehearsal(name, tmp_path / "data")))
    code, out, err = geoseg("train", path, "-o", tmp_path / "o", "--max-steps", 2)
    assert code == 0, err
    if name in ("adapt.yaml", "corrections.yaml"):  # nothing there to validate on
        assert "2 steps" in out
        return
    assert "best validation mIoU" in out
    assert "validation mIoU" in err


def _label_in_another_crs(path: Path, truth: np.ndarray, place: Affine) -> None:
    """A label raster as GDAL lays it in EPSG:25832, with pixels of 4 cm."""
    left, bottom, right, top = transform_bounds(CRS, "EPSG:25832", *array_bounds(*truth.shape, place))
    high, wide = int((top - bottom) / 0.04), int((right - left) / 0.04)
    labels, there = np.full((high, wide), 255, np.uint8), Affine(0.04, 0, left, 0, -0.04, top)
    places = {"src_transform": place, "src_crs": CRS, "dst_transform": there, "dst_crs": "EPSG:25832"}
    reproject(truth, labels, **places, resampling=Resampling.nearest, init_dest_nodata=False)
    write_sheet(path, labels, place=there, crs="EPSG:25832")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_photos_of_16_bits_beside_labels_in_another_crs(tmp_path: Path, dtype: str) -> None:
    """Photos and labels in one folder; two classes that 8 bits could not tell apart are told apart."""
    rng = np.random.default_rng(2)
    for name, row in (("a", 0), ("b", 5000)):
        truth, place = layouts.patchwork(rng, (192, 192), classes=2, cell=32), moved(PLACE, 0, row)
        photo = np.repeat((20_000 + 40 * truth.astype(int) + rng.integers(0, 8, truth.shape))[None], 3, 0)
        write_sheet(tmp_path / "data" / f"{name}_RGB.tif", photo.astype(np.uint16), place=place)
        _label_in_another_crs(tmp_path / "data" / f"{name}_label.tif", truth, place)
    section: dict[str, object] = {"kind": "pairs", "root": str(tmp_path / "data"), "labels": "*_label.tif"}
    section["split"] = {"validation": ["b_RGB"]}
    units = {"dtype": "uint16", "mean": [20_020.0] * 3, "std": [20.0] * 3}
    if dtype == "uint8":
        section["range"] = [0, 40_000]
        units = {"mean": [127.6] * 3, "std": [0.13] * 3}
    rows = [{"value": i, "name": n, "colour": [i, i, i]} for i, n in enumerate(("low", "high"))]
    config = tiny_config(
        model={
            **{"network": "unet_s", "arguments": {"width": 8}, "gsd": 0.1, "patch": 320, "overlap": 256},
            **{"classes": rows, **units},
        },
        data=[section],
        augment={name: 0 for name in ("colour", "noise", "grey", "jpeg", "blur", "nodata", "rotate")},
        stages=[{"steps": 40, "rate": 0.01}],
        validate_every=40,
        average=0,
    )
    train(config, tmp_path / "out")
    assert load_model(tmp_path / "out/model.safetensors").card.dtype == dtype
    report = evaluate_model(tmp_path / "out/model.safetensors", config, EvaluateOptions()).report
    assert report["mean_iou"] > 0.9

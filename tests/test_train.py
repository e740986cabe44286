"""geoseg train, evaluate and model as their users meet them: real folders, kills, refusals, exports, pictures."""

from __future__ import annotations

import csv
import importlib.util
import json
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
from conftest import CRS, PLACE, write_sheet
from PIL import Image
from safetensors.torch import load_file

from geoseg.classes import ISPRS, NODATA
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import TrainingError, UsageError
from geoseg.learn.loop import Steps
from geoseg.learn.settings import TrainConfig
from geoseg.models.files import load_model
from geoseg.models.network import build_network
from geoseg.networks import NETWORKS
from geoseg.stages.evaluate.evaluate import EvaluateOptions, evaluate_model, evaluate_rasters
from geoseg.stages.train.train import train

CONFIGS = Path(__file__).parent.parent / "configs"


def _config(**more: object) -> TrainConfig:
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


def _state(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model.safetensors")


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


def test_training_leaves_model_log_and_curves(tmp_path: Path) -> None:
    lines: list[str] = []
    result = train(_config(), tmp_path, lines.append)
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


def test_a_restart_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of a stage, between a checkpoint and the next, then started again."""
    train(_config(), tmp_path / "whole")
    take, calls = Steps.take, []

    def stopping(self: Steps, *arguments: object) -> object:
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return take(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Steps, "take", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(_config(), tmp_path / "cut")
    monkeypatch.undo()
    train(_config(), tmp_path / "cut")
    assert _same(_state(tmp_path / "whole"), _state(tmp_path / "cut"))
    assert (tmp_path / "whole" / "log.csv").read_bytes() == (tmp_path / "cut" / "log.csv").read_bytes()


@pytest.mark.slow
def test_kill_9_and_restart_give_the_same_weights(tmp_path: Path) -> None:
    config = _config(stages=[{"steps": 60, "rate": 0.002}], validate_every=20)
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
    assert _same(_state(tmp_path / "whole"), _state(tmp_path / "killed"))


def test_checkpoint_of_another_config_is_not_mixed(tmp_path: Path) -> None:
    short = [{"steps": 2, "rate": 0.001}]
    train(_config(stages=short), tmp_path)
    with pytest.raises(UsageError, match="checkpoint of another config"):
        train(_config(stages=short, seed=9), tmp_path)
    train(_config(stages=short, seed=9), tmp_path, overwrite=True)


def test_loss_that_is_not_finite_stops_with_its_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Steps.forward

    def broken(self: Steps, batch: object) -> object:
        loss, scores = forward(self, batch)  # type: ignore[arg-type]
        return loss * float("nan"), scores

    monkeypatch.setattr(Steps, "forward", broken)
    with pytest.raises(TrainingError, match="the loss is nan"):
        train(_config(), tmp_path)
    with np.load(tmp_path / "bad_batch.npz") as kept:
        assert kept["images"].shape == (2, 3, 64, 64)


def test_early_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = train(_config(stages=[{"steps": 40, "rate": 1e-9}], validate_every=2, patience=2, average=0.0), tmp_path)
    assert result.steps <= 12


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    """Four samples at once or twice two: the same samples, nearly the same step (batch norm sees smaller batches)."""
    stages = [{"steps": 3, "rate": 0.001}]
    train(_config(stages=stages, batch=4), tmp_path / "large")
    train(_config(stages=stages, batch=2, accumulate=2), tmp_path / "parts")
    a, b = _state(tmp_path / "large"), _state(tmp_path / "parts")
    assert torch.allclose(a["head.bias"], b["head.bias"], atol=0.01)


def test_leaking_config_is_refused_before_training(tmp_path: Path) -> None:
    scenes = {"kind": "scenes", "seed": 5, "count": 2, "metres": 16, "pixel_sizes": [0.2, 0.2]}
    config = _config(data=[scenes, {**scenes, "name": "held", "use": "validation"}])
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
        train(_config(model={"network": "deeplabv3_mobilenet_v3_large", "gsd": 0.2}, batch=1), tmp_path)


def test_scores_smaller_than_labels_are_brought_to_their_size(tmp_path: Path) -> None:
    config = _config()
    steps = Steps(torch.nn.Identity(), None, None, [], config, config.stages[0], "cpu", "f32")  # type: ignore[arg-type]
    labels = torch.randint(0, 6, (2, 16, 16))
    small = torch.nn.functional.one_hot(labels, 6).permute(0, 3, 1, 2).float()[:, :, ::2, ::2]
    assert torch.isfinite(steps.loss(small, labels, torch.zeros(2)))


def test_training_starts_from_given_weights(tmp_path: Path, geoseg) -> None:
    from torchvision.models import mobilenet_v2

    torch.manual_seed(0)
    torch.save(mobilenet_v2(weights=None).state_dict(), tmp_path / "backbone.pth")
    model = {"network": "unet_mobilenet_v2", "gsd": 0.2, "patch": 480, "overlap": 416}
    config = _config(model=model, stages=[{"steps": 2, "rate": 0.001, "freeze": ["backbone"]}])
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    code, _, err = geoseg("train", path, "-o", tmp_path / "o", "--backbone-weights", tmp_path / "backbone.pth")
    assert code == 0, err
    given, found = torch.load(tmp_path / "backbone.pth", weights_only=True), _state(tmp_path / "o")
    assert torch.equal(found["backbone.4.conv.0.0.weight"], given["features.4.conv.0.0.weight"])
    code, _, err = geoseg(
        "train", path, "-o", tmp_path / "p", "--init", tmp_path / "o" / "model.safetensors", "--max-steps", 1
    )
    assert code == 0, err
    assert torch.equal(_state(tmp_path / "p")["backbone.4.conv.0.0.weight"], given["features.4.conv.0.0.weight"])
    code, _, err = geoseg("train", path, "-o", tmp_path / "q", "--backbone-weights", tmp_path / "nothing.pth")
    assert code == 5
    assert "nothing.pth" in err


def test_preview_shows_samples(tmp_path: Path, geoseg) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(_config().model_dump(mode="json", exclude_none=True)))
    code, _, err = geoseg("train", path, "--preview", tmp_path / "p.png")
    assert code == 0, err
    with Image.open(tmp_path / "p.png") as image:
        picture = np.asarray(image)
    assert picture.shape == (4 * (2 * 64 + 12), 6 * (64 + 8), 3)
    assert picture.std() > 20


@pytest.mark.slow
def test_a_minute_of_training_beats_the_majority_class(tmp_path: Path) -> None:
    """About 60 CPU seconds from scratch on drawn scenes: accuracy at least 20 points above always saying the commonest class."""
    config = _config(
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
    config = _config(stages=[{"steps": 4, "rate": 0.001}])
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


# The configs that ship


def _rehearsal(name: str, root: Path) -> dict[str, object]:
    """A config on a generated folder of the right layout, small enough for a test; all else as it ships."""
    value = yaml.safe_load((CONFIGS / name).read_text())
    makers = {"isprs": layouts.potsdam, "voc": layouts.voc, "cityscapes": layouts.cityscapes}
    for section in value["data"]:
        if section["kind"] in makers:
            section["root"] = str(makers[section["kind"]](root / section["kind"]))
        if section["kind"] == "scenes":
            section.update(count=2, metres=16)
    value["model"].pop("backbone_weights", None)  # fetched from the network
    value |= {"crop": 64, "batch": 2, "threads": 1, "workers": 0}
    return value


SHIPPED = sorted(p.name for p in CONFIGS.glob("*.yaml") if p.name not in ("nightly.yaml", "default_model.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_every_config_reaches_its_first_validation(name: str, tmp_path: Path, geoseg) -> None:
    path = tmp_path / name
    path.write_text(yaml.safe_dump(_rehearsal(name, tmp_path / "data")))
    code, out, err = geoseg("train", path, "-o", tmp_path / "o", "--max-steps", 2)
    assert code == 0, err
    assert "best validation mIoU" in out
    assert "validation mIoU" in err


@pytest.mark.parametrize("name", sorted(p.name for p in CONFIGS.glob("*.yaml") if p.name != "nightly.yaml"))
def test_every_config_is_valid(name: str) -> None:
    TrainConfig.model_validate(yaml.safe_load((CONFIGS / name).read_text()))


def test_default_model_on_its_real_data(tmp_path: Path) -> None:
    """Partial labels of three legends in one network, from the real folders, with 100 m between training and validation."""
    data = Path(__file__).parent.parent.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the real data sets are not here")
    value = yaml.safe_load((CONFIGS / "default_model.yaml").read_text())
    sections = []
    for section in value["data"]:
        if "root" in section and section["name"] != "frozen scenes":  # drawn by a benchmark
            section["root"] = str(data / Path(section["root"]).relative_to("../data"))
            sections.append(section)
    sets = labelled_sets(TrainConfig.model_validate({**value, "data": sections}).data, ISPRS, 3, None)
    (held,) = sets["validation"]
    assert [s.name for s in sets["train"]] == ["banepa", "munich crossroad"]
    train_part, held_part = sets["train"][0].items[0].region, held.items[0].region
    assert held_part[1] - (train_part[1] + train_part[3]) >= 100 / 0.1326


# Plain photos, evaluation, formats


def _square_network(path: Path, classes: int = 6) -> Path:
    from conftest import BandNetwork, save_network

    return save_network(path, BandNetwork(classes))


def test_plain_images_go_through_the_predictor(tmp_path: Path) -> None:
    """PNG images of any size, and a network that returns the truth: the score is 1."""
    rng = np.random.default_rng(0)
    for k, shape in enumerate([(70, 131), (200, 90)]):
        labels = layouts.patchwork(rng, shape)
        Image.fromarray(np.repeat(labels[..., None], 3, 2)).save(tmp_path / f"a{k}_img.png")
        Image.fromarray(labels).save(tmp_path / f"a{k}_label.png")
    model = _square_network(tmp_path / "truth.pt")
    section = {
        "kind": "pairs",
        "root": str(tmp_path),
        "images": "*_img.png",
        "labels": "*_label.png",
        "gsd": 0.1,
        "use": "validation",
    }
    report = evaluate_model(model, _config(data=[section]), EvaluateOptions()).report
    assert report["mean_iou"] == 1.0
    assert report["labelled_pixels_without_prediction"] == 0
    assert report["protocol"]["sheets"] == 2


def test_rasters_by_windows_equal_one_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    labels = layouts.patchwork(rng, (300, 260), cell=20)
    found = np.where(rng.uniform(size=labels.shape) < 0.1, 1, labels).astype(np.uint8)
    write_sheet(tmp_path / "a_classes.tif", found, nodata=NODATA)
    write_sheet(tmp_path / "a_label.tif", labels)
    import geoseg.stages.evaluate.counts as counts

    whole = evaluate_rasters(tmp_path / "a_classes.tif", tmp_path / "a_label.tif", EvaluateOptions()).report
    monkeypatch.setattr(counts, "STRIP", 37)
    parts = evaluate_rasters(tmp_path / "a_classes.tif", tmp_path / "a_label.tif", EvaluateOptions()).report
    assert whole == parts
    assert whole["overall_accuracy"] == (found == labels).mean()
    assert whole["protocol"]["boundary_rule"] == "all pixels"


def test_evaluate_prints_its_protocol_and_draws(tmp_path: Path, geoseg) -> None:
    rng = np.random.default_rng(3)
    labels = layouts.patchwork(rng, (120, 120))
    labels[0, :10] = NODATA
    write_sheet(tmp_path / "p" / "a_classes.tif", labels)
    write_sheet(tmp_path / "l" / "a_label.tif", layouts.COLOURS[np.minimum(labels, 5)].transpose(2, 0, 1).copy())
    code, out, err = geoseg(
        "evaluate", tmp_path / "p", tmp_path / "l", "-o", tmp_path / "e", "--without", "clutter", "--boundary", "eroded"
    )
    assert code == 0, err
    assert "left out of means: clutter" in out
    assert "boundary rule: 3 px around class borders left out" in out
    assert "| mean IoU | 100.00 % |" in out
    report = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert report["labelled_pixels_without_prediction"] <= 10
    assert len(report["protocol"]["averaged_classes"]) == 5
    for name in ("confusion.png", "errors/a_classes.png"):
        with Image.open(tmp_path / "e" / name) as image:
            assert np.asarray(image.convert("RGB")).std() > 5
    code, _, err = geoseg("evaluate", tmp_path / "p", tmp_path / "nothing")
    assert code == 2
    assert "does not exist" in err
    code, _, err = geoseg("evaluate", tmp_path / "p", tmp_path / "l", "--without", "water")
    assert code == 2
    assert "names water" in err


def test_evaluate_against_polygons(tmp_path: Path, geoseg) -> None:
    import geopandas
    import shapely

    found = np.zeros((100, 100), np.uint8)
    found[20:40, 20:40] = 1
    found[70:80, 70:80] = 1
    write_sheet(tmp_path / "a_classes.tif", found)
    house = shapely.box(PLACE.c + 2, PLACE.f - 4, PLACE.c + 4, PLACE.f - 2)
    geopandas.GeoDataFrame(geometry=[house], crs=CRS).to_file(tmp_path / "b.gpkg")
    code, out, err = geoseg(
        "evaluate",
        tmp_path / "a_classes.tif",
        tmp_path / "b.gpkg",
        "--class",
        "*=building",
        "--rest",
        "not building",
        "--json",
    )
    assert code == 0, err
    report = json.loads(out)
    assert report["classes"]["building"]["iou"] == 0.8
    assert report["objects"]["building"]["recall"] == 1.0
    assert report["objects"]["building"]["precision"] == 0.5
    code, _, err = geoseg("evaluate", tmp_path / "a_classes.tif", tmp_path / "b.gpkg")
    assert code == 2
    assert "--class" in err


def test_a_finished_run_is_evaluated_with_its_model(tmp_path: Path, geoseg, truth_network: Path) -> None:
    rng = np.random.default_rng(9)
    labels = layouts.patchwork(rng, (150, 170))
    write_sheet(tmp_path / "s" / "a_RGB.tif", np.repeat(labels[None], 3, 0))
    write_sheet(tmp_path / "l" / "a_label.tif", labels)
    run = tmp_path / "run"
    for command in (("tile", tmp_path / "s", "-o", run), ("infer", run, "--model", truth_network), ("mosaic", run)):
        code, _, err = geoseg(*command)
        assert code == 0, err
    code, out, err = geoseg("evaluate", run, tmp_path / "l", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["mean_iou"] == 1.0
    assert report["protocol"]["patch_px"] == 64
    assert report["calibration"]["table"]


@pytest.mark.parametrize("name", ["unet_s", "unet_mobilenet_v2", "lraspp_mobilenet_v3_large"])
@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_exports_give_the_same_classes_in_infer(name: str, suffix: str, tmp_path: Path, geoseg) -> None:
    if suffix == ".onnx" and not importlib.util.find_spec("onnxruntime"):
        pytest.skip("onnxruntime is not installed")
    model = _untrained(tmp_path / "m.safetensors", name)
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


def _untrained(path: Path, name: str, **arguments: object) -> Path:
    from geoseg.models.card import Card
    from geoseg.models.files import save_model
    from geoseg.networks import geometry_of, make_network

    torch.manual_seed(1)
    network = make_network(name, 3, 6, **arguments)
    for module in network.modules():  # spread the scores, so that ties do not decide
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
    geometry = geometry_of(name)
    step = 2 * geometry.stride
    overlap = (2 * geometry.margin + step) // step * step
    patch = -(-(overlap + 2 * step) // 64) * 64
    card = Card(
        name,
        name,
        ISPRS,
        ("red", "green", "blue"),
        (120.0,) * 3,
        (60.0,) * 3,
        0.1,
        (0.02, 1.0),
        dict(arguments),
        patch=patch,
        overlap=overlap,
        margin=geometry.margin,
        stride=geometry.stride,
        patch_dependent=geometry.patch_dependent,
    )
    save_model(path, network.state_dict(), card)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NETWORKS, "unet/resnet18", "fpn/resnet18", "segformer/mit_b0"])
def test_every_network_runs_in_infer_and_exports(name: str, tmp_path: Path, geoseg) -> None:
    if "/" in name:
        pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    model = _untrained(tmp_path / "m.safetensors", name)
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
    model = _untrained(tmp_path / "m.safetensors", "unet_s", width=8)
    assert geoseg("model", "export", model, "-o", tmp_path / "m.onnx")[0] == 0
    keys = {p.key: json.loads(p.value) for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert keys["model_type"] == "Segmentor"
    assert keys["resolution"] == 10.0  # centimetres
    assert keys["class_names"]["1"] == "building"
    assert abs(keys["standardization_mean"][0] - 120 / 255) < 1e-5
    assert load_model(tmp_path / "m.onnx").card.margin == 112


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


def test_cards_for_people_and_catalogues(tmp_path: Path, geoseg) -> None:
    code, out, _ = geoseg("model", "card")
    assert code == 0
    for heading in ("## Input", "## Classes", "## Training", "## Scores", "## Licence"):
        assert heading in out
    code, out, _ = geoseg("model", "card", "--stac")
    item = json.loads(out)
    assert item["stac_version"] == "1.1.0"
    properties = item["properties"]
    for key in ("mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"):
        assert properties[key]
    assert properties["mlm:input"][0]["input"]["shape"][1] == 3
    assert item["assets"]["weights"]["roles"][0] == "mlm:model"
    code, out, _ = geoseg("model", "bench", "--seconds", 0.1)
    assert code == 0
    assert "torch" in out

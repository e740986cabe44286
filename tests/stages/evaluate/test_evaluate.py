"""geoseg evaluate: rasters, polygons, runs and models against labels."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import numpy as np
import pytest
from PIL import Image
from support import CRS, PLACE, write_sheet
from trainings import tiny_config

from geoseg.classes import NODATA
from geoseg.stages.evaluate.evaluate import EvaluateOptions, evaluate_model, evaluate_rasters


def _square_network(path: Path, classes: int = 6) -> Path:
    from fakes import BandNetwork, save_network

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
    report = evaluate_model(model, tiny_config(data=[section]), EvaluateOptions()).report
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

"""geoseg evaluate: rasters, polygons, runs and models against labels."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import numpy as np
import pytest
from affine import Affine
from PIL import Image
from support import CRS, PLACE, moved, write_sheet
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


def test_labels_of_a_run_are_laid_on_the_ground(tmp_path: Path, geoseg) -> None:
    """One raster of the whole area, a folder with photos in it, several labels of one name, another town."""
    rng = np.random.default_rng(5)
    truth = layouts.patchwork(rng, (120, 240), cell=12)
    for name, col in (("a", 0), ("b", 120)):
        write_sheet(tmp_path / "p" / f"{name}_classes.tif", truth[:, col : col + 120], place=moved(PLACE, col, 0))
    wide = np.pad(truth, 30, constant_values=0)
    write_sheet(tmp_path / "all.tif", wide, place=moved(PLACE, -30, -30), nodata=0)
    code, out, err = geoseg("evaluate", tmp_path / "p", tmp_path / "all.tif", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["overall_accuracy"] == 1.0
    assert report["protocol"]["sheets"] == 2
    assert report["protocol"]["label_files"] == ["a_classes: all.tif", "b_classes: all.tif"]
    assert report["pixels_without_label"] == (truth == 0).sum()
    for name, col in (("a", 0), ("b", 120)):
        write_sheet(tmp_path / "l" / f"{name}_RGB.tif", np.zeros((3, 120, 120), np.uint8))
        part = truth[:, col : col + 120]
        write_sheet(tmp_path / "l" / f"{name}_label.tif", part[::-1].copy(), place=_south_up(moved(PLACE, col, 0)))
    assert _accuracy(geoseg, tmp_path / "p", tmp_path / "l") == 1.0
    bare = np.where(rng.uniform(size=(120, 120)) < 0.2, NODATA, truth[:, :120]).astype(np.uint8)
    write_sheet(tmp_path / "l" / "a_label_noBoundary.tif", bare)
    code, _, err = geoseg("evaluate", tmp_path / "p", tmp_path / "l")
    assert code == 2
    assert "a_label.tif" in err
    assert "a_label_noBoundary.tif" in err
    assert "--labels-pattern" in err
    assert _accuracy(geoseg, tmp_path / "p", tmp_path / "l", "--labels-pattern", "*_label.tif") == 1.0
    assert _accuracy(geoseg, tmp_path / "p", tmp_path / "l", "--boundary", "all") == 1.0
    write_sheet(tmp_path / "far.tif", truth, place=moved(PLACE, 90_000, 0))
    code, _, err = geoseg("evaluate", tmp_path / "p", tmp_path / "far.tif")
    assert code == 1
    assert "do not meet" in err
    code, _, err = geoseg("evaluate", tmp_path / "p", tmp_path / "p")
    assert code == 2
    assert "has no label" in err


def _south_up(place: Affine) -> Affine:
    return place @ Affine(1, 0, 0, 0, -1, 120)


def _accuracy(geoseg, *arguments: object) -> float:
    code, out, err = geoseg("evaluate", *arguments, "--json")
    assert code == 0, err
    return float(json.loads(out)["overall_accuracy"])


def test_a_label_raster_that_reaches_some_sheets_only(tmp_path: Path, geoseg, caplog) -> None:
    truth = layouts.patchwork(np.random.default_rng(5), (64, 64))
    write_sheet(tmp_path / "p/a.tif", truth)
    write_sheet(tmp_path / "p/b.tif", truth, place=moved(PLACE, 500, 0))
    write_sheet(tmp_path / "l.tif", truth)
    code, out, _ = geoseg("evaluate", tmp_path / "p", tmp_path / "l.tif", "--json")
    assert code == 0
    assert json.loads(out)["protocol"]["sheets"] == 1
    assert "does not reach 1 of 2 class rasters" in caplog.text


def test_labels_in_colours_of_ones_own(tmp_path: Path, geoseg) -> None:
    truth = (layouts.patchwork(np.random.default_rng(5), (64, 64)) == 1).astype(np.uint8)
    write_sheet(tmp_path / "a.tif", truth)
    colours = np.array([[226, 169, 41], [60, 16, 152]], np.uint8)[truth].transpose(2, 0, 1).copy()
    write_sheet(tmp_path / "l.tif", colours)
    code, _, err = geoseg("evaluate", tmp_path / "a.tif", tmp_path / "l.tif")
    assert code == 1
    assert "#3c1098" in err
    arguments = ("--class", "#3c1098=building", "--rest", "not building")
    code, out, err = geoseg("evaluate", tmp_path / "a.tif", tmp_path / "l.tif", *arguments, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["classes"]["building"]["iou"] == 1.0
    assert report["overall_accuracy"] is None
    code, out, _ = geoseg("evaluate", tmp_path / "a.tif", tmp_path / "l.tif", *arguments)
    assert "labels are partial" in out
    assert "overall accuracy |" not in out

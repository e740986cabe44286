"""geoseg evaluate --from-review: verdicts on random places."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from support import write_sheet

from geoseg.classes import ISPRS
from geoseg.errors import UsageError
from geoseg.options import MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.evaluate.from_review import evaluate_review, review_markdown
from geoseg.stages.mosaic.from_raster import run_from_raster
from geoseg.stages.mosaic.mosaic import mosaic

OPTIONS = MosaicOptions(name="town", sheet_rasters=False, review=30, layers=("landcover",))


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory) -> tuple[Path, Path, np.ndarray]:
    """(run, its GeoPackage, the truth): a map of three classes of which the truth differs in a tenth of the pixels."""
    folder = tmp_path_factory.mktemp("reviewed")
    classes = np.zeros((300, 400), np.uint8)
    classes[:, 150:], classes[:60, :80] = 2, 3
    confidence = np.full(classes.shape, 90, np.uint8)
    confidence[100:180, 100:220] = 40
    truth = np.where(np.random.default_rng(3).random(classes.shape) < 0.1, 1, classes).astype(np.uint8)
    raster = write_sheet(folder / "c.tif", classes)
    run = run_from_raster(raster, Run(folder / "run"), write_sheet(folder / "p.tif", confidence), ISPRS)
    mosaic(run, OPTIONS)
    return run.folder, run.out / "town.gpkg", truth


def _edited(reviewed: tuple[Path, Path, np.ndarray], path: Path, **cells: object) -> Path:
    """A copy, judged by somebody who knows the truth; cells: further values of the first random place."""
    run, package, truth = reviewed
    frame = geopandas.read_file(package, layer="review")
    with rasterio.open(run / "out/town_classes.tif") as dataset:
        place = dataset.transform
    names = {c.value: c.name for c in ISPRS.classes}
    for i, row in frame[frame["sampled"]].iterrows():
        col, line = ~place @ row.geometry.centroid.coords[0]
        true = int(truth[int(line), int(col)])
        frame.loc[i, "verdict"] = "ok" if true == row["class_id"] else "should_be"
        frame.loc[i, "should_be"] = None if true == row["class_id"] else names[true]
    frame.loc[~frame["sampled"], "verdict"] = "wrong"  # ranked ones: they must not count
    first = frame.index[frame["sampled"]][0]
    for name, value in cells.items():
        frame.loc[first, name] = value
    shutil.copy(package, path)
    frame.to_file(path, layer="review", driver="GPKG")
    return path


def test_verdicts_on_random_places_give_the_accuracy(reviewed, tmp_path) -> None:
    run, _, truth = reviewed
    report = evaluate_review(_edited(reviewed, tmp_path / "e.gpkg"), run)
    with rasterio.open(run / "out/town_classes.tif") as dataset:
        true = (dataset.read(1) == truth).mean()
    assert (report["judged"], report["without_verdict"], report["share_of_map"]) == (100, 0, 1)
    low, high = report["overall_accuracy"]["interval"]
    assert low <= true <= high
    assert high - low < 0.2
    assert list(report["classes"]) == ["impervious surface", "low vegetation", "tree"]
    assert sum(c["pixels"] for c in report["classes"].values()) == truth.size


def test_places_without_a_verdict_are_counted_and_said(reviewed, tmp_path, geoseg) -> None:
    run, _, _ = reviewed
    edited = _edited(reviewed, tmp_path / "e.gpkg", verdict=None, should_be=None)
    code, out, err = geoseg("evaluate", run, "--from-review", edited, "-o", tmp_path / "scores")
    assert code == 0, err
    assert "99 of 100 random places have a verdict" in out
    assert json.loads((tmp_path / "scores/evaluation.json").read_text())["without_verdict"] == 1
    assert geoseg("evaluate", "--from-review", edited)[0] == 0
    assert geoseg("evaluate", run, run, "--from-review", edited)[0] == 2
    assert geoseg("evaluate", run)[0] == 2


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"verdict": "perhaps"}, "verdict 'perhaps'.*write one of ok, wrong, should_be"),
        ({"verdict": "ok", "should_be": "building"}, "verdict ok and should be building"),
        ({"run_id": "0123"}, "made by 2 runs"),
    ],
)
def test_what_says_nothing_is_refused(reviewed, tmp_path, cells, words) -> None:
    with pytest.raises(UsageError, match=words):
        evaluate_review(_edited(reviewed, tmp_path / "e.gpkg", **cells))


def test_a_review_of_another_run_is_refused(reviewed, tmp_path) -> None:
    run, package, _ = reviewed
    with pytest.raises(UsageError, match="none of its 100 random places"):
        evaluate_review(package, run)
    edited = _edited(reviewed, tmp_path / "e.gpkg")
    shutil.copytree(run, tmp_path / "run")
    mosaic(tmp_path / "run", MosaicOptions(name="town", sheet_rasters=False, review=20, layers=("landcover",)))
    with pytest.raises(UsageError, match=r"e\.gpkg.*was made by run .*name the run that made this one"):
        evaluate_review(edited, tmp_path / "run")


def test_a_file_without_a_review_is_refused(reviewed, tmp_path) -> None:
    run, _, _ = reviewed
    shutil.copytree(run, tmp_path / "run")
    mosaic(tmp_path / "run", MosaicOptions(name="town", sheet_rasters=False, layers=("landcover",)))
    with pytest.raises(UsageError, match="no table review, but landcover.*--review"):
        evaluate_review(tmp_path / "run/out/town.gpkg")


def _sampled(path: Path, drawn: dict[str, int], there: dict[str, int], judged: dict[str, int]) -> Path:
    """A review of random places only: how many were drawn of each class, are there, and are judged (right)."""
    rows = [
        {"id": f"{name}_{k}", "class": name, "verdict": "ok" if k < judged[name] else None, "stratum_places": n}
        for name, n in drawn.items()
        for k in range(there[name])
    ]
    more = {"should_be": None, "sampled": True, "stratum_pixels": 1000, "map_pixels": 1000 * len(drawn)}
    frame = geopandas.GeoDataFrame(rows, geometry=[shapely.Point(0, 0).buffer(1)] * len(rows), crs=25833)
    frame.assign(**more, map_places=sum(drawn.values()), run_id="a").to_file(path, layer="review")
    return path


def test_one_verdict_of_a_class_has_no_standard_error_and_the_cure_is_said(tmp_path) -> None:
    places = {"tree": 20, "car": 8}
    report = evaluate_review(_sampled(tmp_path / "e.gpkg", places, places, {"tree": 20, "car": 1}))
    errors = {name: c["users_accuracy"]["standard_error"] for name, c in report["classes"].items()}
    assert errors == {"car": None, "tree": 0}
    assert report["overall_accuracy"]["standard_error"] is None
    text = review_markdown(report)
    assert "| all | 100.0 % (" in text
    assert text.count("| not known |") == 2
    assert "Only one place of car has a verdict" in text
    assert "judge at least one more" in text


def test_random_places_that_were_deleted_are_counted_and_with_many_there_is_no_estimate(tmp_path) -> None:
    drawn = {"tree": 60, "car": 30, "roof": 10}
    all_right = evaluate_review(_sampled(tmp_path / "a.gpkg", drawn, drawn, drawn))
    assert (all_right["missing"], all_right["share_of_map"], all_right["notes"]) == (0, 1, [])
    some = {"tree": 60, "car": 23, "roof": 10}
    report = evaluate_review(_sampled(tmp_path / "b.gpkg", drawn, some, some))
    assert (report["places"], report["missing"], report["classes"]["car"]["missing"]) == (93, 7, 7)
    assert "7 of the 100 random places are missing (7 of car)" in review_markdown(report)
    gone = {"tree": 60, "car": 30, "roof": 0}
    report = evaluate_review(_sampled(tmp_path / "c.gpkg", drawn, gone, gone))
    assert report["share_of_map"] == pytest.approx(2 / 3)
    assert "10 of classes of which none is left" in review_markdown(report)
    with pytest.raises(UsageError, match=r"lacks 11 of its 100 random places.*leave the verdict of a place empty"):
        evaluate_review(_sampled(tmp_path / "d.gpkg", drawn, {**drawn, "tree": 49}, drawn))


def test_places_whose_class_was_written_over_are_refused(tmp_path) -> None:
    drawn = {"tree": 20, "car": 8}
    path = _sampled(tmp_path / "e.gpkg", drawn, drawn, drawn)
    frame = geopandas.read_file(path)
    frame.loc[0, "class"] = "car"
    frame.to_file(path, layer="review")
    with pytest.raises(UsageError, match=r"of the class car do not agree.*should_be"):
        evaluate_review(path)
    frame.loc[0, "stratum_places"] = 8
    frame.to_file(path, layer="review")
    with pytest.raises(UsageError, match="holds 9 random places of the class car, drawn were 8"):
        evaluate_review(path)

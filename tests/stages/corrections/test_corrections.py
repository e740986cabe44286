"""geoseg corrections: known is what was said, with the class that was said, and nothing else."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import rasterize
from support import write_sheet

from geoseg.classes import ISPRS, NODATA, NOT
from geoseg.datasets.corrections.manifest import label_values, read_manifest, write_manifest
from geoseg.datasets.items import read_labels
from geoseg.datasets.samples import Crop, LabelledSet, Samples
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import PlanError, UsageError
from geoseg.learn.augment import NONE
from geoseg.learn.settings import DataSection
from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.corrections import corrections
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

GRASS, ROOF, TREE = 2, 1, 3
NAMES = {c.value: c.name for c in ISPRS.classes}
OPTIONS = MosaicOptions(name="town", sheet_rasters=False, review=20)
VALUES = label_values(ISPRS)


@dataclass(frozen=True)
class Mapped:
    """A run over a photo whose first band is the class, its GeoPackage, and those classes."""

    run: Run
    package: Path
    classes: np.ndarray


@pytest.fixture(scope="module")
def mapped(tmp_path_factory, truth_network) -> Mapped:
    folder = tmp_path_factory.mktemp("corrections")
    classes = np.full((700, 900), GRASS, np.uint8)
    for top, left in ((100, 100), (100, 500), (450, 300)):
        classes[top : top + 110, left : left + 130] = ROOF
    classes[500:560, 700:760] = TREE
    sheet = write_sheet(folder / "s.tif", np.stack([classes, classes + 30, classes + 60]))
    run = Run(folder / "run")
    tile([sheet], run.folder, TileOptions(block_size=256))
    infer(run, InferOptions(model=(truth_network,), engine="torch"))
    mosaic(run, OPTIONS)
    return Mapped(run, run.out / "town.gpkg", classes)


@pytest.fixture
def town(mapped, tmp_path) -> Mapped:
    shutil.copytree(mapped.run.folder, tmp_path / "run")
    run = Run(tmp_path / "run")
    return Mapped(run, Path(shutil.copy(mapped.package, tmp_path / "edited.gpkg")), mapped.classes)


def _edit(package: Path, *acts: tuple[str, tuple]) -> None:
    with closing(sqlite3.connect(package)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        for act, values in acts:
            database.execute(act, values)


def _whole(town: Mapped, out: Path) -> np.ndarray:
    """The labels of all crops on the map's grid; crops that share ground agree there."""
    with rasterio.open(town.run.classes) as dataset:
        shape, place = dataset.shape, dataset.transform
    whole = np.full(shape, NODATA, np.uint8)
    for path in sorted((out / "labels").glob("*.tif")):
        with rasterio.open(path) as dataset, rasterio.open(out / "images" / path.name) as photo:
            labels, pixels, seen = dataset.read(1), photo.read(1), photo.dataset_mask() > 0
            col, row = (round(v) for v in ~place @ (dataset.transform.c, dataset.transform.f))
        rows, cols = np.nonzero(seen)
        assert (town.classes[rows + row, cols + col] == pixels[seen]).all()  # the photo's own pixels, in their place
        assert (labels[~seen] == NODATA).all()
        known = whole[rows + row, cols + col]
        assert ((known == NODATA) | (known == labels[seen])).all()
        whole[rows + row, cols + col] = labels[seen]
    return whole


def _burnt(town: Mapped, shape) -> np.ndarray:
    with rasterio.open(town.run.classes) as dataset:
        return rasterize([(shape, 1)], dataset.shape, transform=dataset.transform).astype(bool)


def test_known_is_what_was_said_and_all_else_is_not(town: Mapped, tmp_path) -> None:
    houses = geopandas.read_file(town.package, layer="buildings").sort_values("id").reset_index(drop=True)
    _edit(
        town.package,
        ("DELETE FROM buildings WHERE id = ?", (houses.id[0],)),
        ("UPDATE buildings SET class = 'clutter' WHERE id = ?", (houses.id[1],)),
    )
    report = corrections(town.run, town.package, tmp_path / "set")
    expected = np.full(town.classes.shape, NODATA, np.uint8)
    expected[_burnt(town, houses.geometry[0])] = VALUES["not building"]
    expected[_burnt(town, houses.geometry[1])] = VALUES["clutter"]
    assert (_whole(town, tmp_path / "set") == expected).all()
    assert report.answers == {"deleted": 1, "reclassified": 1}
    assert report.pixels == {
        "not building": (expected == VALUES["not building"]).sum(),
        "clutter": (expected == VALUES["clutter"]).sum(),
    }


def test_verdicts_on_random_places_speak_of_pixels_like_the_judged_one(town: Mapped, tmp_path) -> None:
    places = geopandas.read_file(town.package, layer="review")
    tree, grass = (places[places["sampled"] & (places["class"] == n)].iloc[0] for n in ("tree", "low vegetation"))
    _edit(
        town.package,
        ("UPDATE review SET verdict = 'should_be', should_be = 'car' WHERE id = ?", (tree["id"],)),
        ("UPDATE review SET verdict = 'wrong' WHERE id = ?", (grass["id"],)),
    )
    report = corrections(town.run, town.package, tmp_path / "set")
    assert report.answers == {"corrected": 1, "wrong": 1}
    whole = _whole(town, tmp_path / "set")
    for said, value, place in (("car", TREE, tree), ("not low vegetation", GRASS, grass)):
        known = whole == VALUES[said]
        assert known.any()
        assert (town.classes[known] == value).all()
        assert (known <= _burnt(town, place.geometry)).all()
        assert known.sum() <= 12**2
    assert (whole != NODATA).sum() == sum(report.pixels.values())


def test_the_same_answers_give_the_same_bytes_and_later_ones_count(town: Mapped, tmp_path) -> None:
    houses = geopandas.read_file(town.package, layer="buildings").sort_values("id").reset_index(drop=True)
    _edit(town.package, ("UPDATE buildings SET class = 'clutter' WHERE id = ?", (houses.id[0],)))
    first = corrections(town.run, town.package, tmp_path / "set")
    before = {p: p.read_bytes() for p in (tmp_path / "set").rglob("*.*")}
    again = corrections(town.run, None, tmp_path / "set")
    assert {p: p.read_bytes() for p in (tmp_path / "set").rglob("*.*")} == before
    assert (first.new, again.new) == (1, 0)
    _edit(town.package, ("UPDATE buildings SET class = 'tree' WHERE id = ?", (houses.id[0],)))
    assert list(corrections(town.run, town.package, tmp_path / "set").pixels) == ["tree"]


def test_crops_train_with_labels_that_say_what_is_not_there(town: Mapped, tmp_path) -> None:
    houses = geopandas.read_file(town.package, layer="buildings").sort_values("id").reset_index(drop=True)
    _edit(town.package, ("DELETE FROM buildings WHERE id = ?", (houses.id[0],)))
    corrections(town.run, town.package, tmp_path / "set")
    section = DataSection(kind="corrections", name="said", root=tmp_path / "set")
    (found,) = labelled_sets([section], ISPRS, ("red", "green", "blue"), None)["train"]
    codes = set(np.unique(np.concatenate([read_labels(i, i.window).ravel() for i in found.items])).tolist())
    assert codes == {NOT + 1, NODATA}
    assert found.patchy
    samples = Samples((LabelledSet("said", found.items, 1.0, True),), Crop(64, 0.1, (0, 0, 0)), NONE, 1, balance=0)
    assert all((samples[i][1] == NOT + 1).any() for i in range(20))
    with pytest.raises(UsageError, match="holds 3 bands, the network takes 4"):
        labelled_sets([section], ISPRS, ("red", "green", "blue", "nir"), None)


def test_the_set_names_the_network_that_made_the_map(town: Mapped, tmp_path) -> None:
    _edit(town.package, ("UPDATE review SET verdict = 'ok' WHERE rank = 1", ()))
    corrections(town.run, town.package, tmp_path / "set")
    found = read_manifest(tmp_path / "set")
    assert [p["key"] for p in found.parents] == [m["key"] for m in town.run.models]
    assert found.run_ids == [str(town.run.finished["key"])[:12]]
    assert found.values["1"] == "building"


def test_what_cannot_be_used_is_refused_with_its_cure(town: Mapped, tmp_path, geoseg) -> None:
    code, _, err = geoseg("corrections", town.run.folder, town.package, "-o", tmp_path / "set")
    assert code == 2
    assert "says nothing of the ground (fill in verdicts" in err
    _edit(town.package, ("UPDATE review SET verdict = 'maybe' WHERE rank = 1", ()))
    with pytest.raises(UsageError, match="has the verdict 'maybe' .write one of ok, wrong, should_be"):
        corrections(town.run, town.package, tmp_path / "set")
    _edit(town.package, ("UPDATE review SET verdict = 'wrong', should_be = 'barn' WHERE rank = 1", ()))
    with pytest.raises(UsageError, match="said to be 'barn' .correct it: the classes are impervious surface, "):
        corrections(town.run, town.package, tmp_path / "set")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else than corrections"):
        corrections(town.run, town.package, tmp_path / "mine")
    _edit(town.package, ("UPDATE review SET run_id = 'abc'", ()), *(
        (f"UPDATE {name} SET run_id = 'abc'", ()) for name in ("landcover", "buildings", "trees", "tree_points")
    ))  # fmt: skip
    with pytest.raises(UsageError, match="was made by run abc, expected"):
        corrections(town.run, town.package, tmp_path / "set")


def test_a_set_of_another_run_is_refused_and_stays(town: Mapped, tmp_path) -> None:
    out = tmp_path / "set"
    _edit(town.package, ("UPDATE review SET verdict = 'ok' WHERE rank = 1", ()))
    corrections(town.run, town.package, out)
    manifest = read_manifest(out)
    write_manifest(out, replace(manifest, run="another"))
    with pytest.raises(UsageError, match="holds corrections of another run .another., expected of"):
        corrections(town.run, town.package, out)
    assert all((out / "images" / f"{crop}.tif").is_file() for crop in manifest.crops)


def test_a_polygon_around_a_country_speaks_of_the_photo(town: Mapped, tmp_path) -> None:
    x, y = geopandas.read_file(town.package, layer="buildings").total_bounds[:2]
    _edit(
        town.package,
        ("INSERT INTO landcover (geom, class) VALUES (?, 'tree')", (_blob(shapely.Point(x, y).buffer(3e5, 500)),)),
    )
    corrections(town.run, town.package, tmp_path / "set")
    assert (_whole(town, tmp_path / "set") == VALUES["tree"]).all()


def _blob(shape: shapely.Geometry) -> bytes:
    return b"GP\0\1" + bytes(4) + shapely.to_wkb(shape)


def test_a_map_without_a_photo_gives_no_corrections(tmp_path) -> None:
    from towns import OLD, made

    run = made(tmp_path / "run", OLD, review=5)
    with pytest.raises(PlanError, match="made from a class raster"):
        corrections(run, None, tmp_path / "set")


def test_the_command_says_what_was_made(town: Mapped, tmp_path, geoseg) -> None:
    _edit(town.package, ("UPDATE review SET verdict = 'ok' WHERE sampled", ()))
    code, out, err = geoseg("corrections", town.run.folder, town.package, "-o", tmp_path / "set")
    assert code == 0, err
    assert "answers, ok" in out
    assert "next: geoseg train configs/corrections.yaml" in out

"""Data sections of a config become labelled sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from rasterio.enums import ColorInterp
from support import CONFIGS, PLACE, RGB, ROOT, write_sheet

from geoseg.classes import ISPRS
from geoseg.datasets.samples import class_places
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import UsageError
from geoseg.learn.settings import DataSection, TrainConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photo and its label."""
    write_sheet(tmp_path / "a_RGB.tif", np.zeros((3, 100, 100), np.uint8))
    write_sheet(tmp_path / "a_label.tif", np.ones((1, 100, 100), np.uint8))
    return tmp_path


def test_bbox_limits_what_is_read(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a_RGB.tif", np.zeros((3, 100, 100), np.uint8))
    write_sheet(tmp_path / "a_label.tif", np.zeros((100, 100), np.uint8))
    left, top = PLACE.c, PLACE.f
    section = DataSection(
        kind="pairs",
        root=tmp_path,
        images="*_RGB.tif",
        labels="*_label.tif",
        bbox=(left + 2, top - 6, left + 7, top - 1),
    )
    (one,) = labelled_sets([section], ISPRS, RGB, None)["train"]
    assert one.items[0].region == (10, 20, 50, 50)
    with pytest.raises(UsageError, match="inside bbox"):
        labelled_sets([section.model_copy(update={"bbox": (0.0, 0.0, 1.0, 1.0)})], ISPRS, RGB, None)
    assert json.loads(section.model_dump_json())["kind"] == "pairs"


def test_default_model_on_its_real_data(tmp_path: Path) -> None:
    """Partial labels of three legends in one network, from real folders, with 100 m between training and validation."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the real data sets are not here")
    value = yaml.safe_load((CONFIGS / "default_model.yaml").read_text())
    sections = []
    for section in value["data"]:
        if "root" in section and section["name"] != "frozen scenes":  # drawn by a benchmark
            section["root"] = str(data / Path(section["root"]).relative_to("../data"))
            sections.append(section)
    sets = labelled_sets(TrainConfig.model_validate({**value, "data": sections}).data, ISPRS, RGB, None)
    names = {split: [s.name for s in those] for split, those in sets.items()}
    assert names["train"][:2] == ["banepa", "munich crossroad"]
    assert names["validation"][0] == "banepa strip north"
    train_part, held_part = sets["train"][0].items[0].region, sets["validation"][0].items[0].region
    assert held_part[1] - (train_part[1] + train_part[3]) >= 100 / 0.1326


def test_the_default_model_learns_from_no_place_of_the_yardstick() -> None:
    """Windows of training in the large photo stay 100 m away from the frozen places; other photos are not shared."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the real data sets are not here")
    value = yaml.safe_load((CONFIGS / "default_model.yaml").read_text())
    for section in value["data"]:
        section["root"] = (
            str(data / Path(section.get("root", ".")).relative_to("../data")) if "root" in section else "."
        )
    learned = [s for s in value["data"] if s.get("use") == "train" or s["kind"] == "unlabelled"]
    sets = labelled_sets(TrainConfig.model_validate({**value, "data": learned}).data, ISPRS, RGB, None)["train"]
    frozen = json.loads((ROOT / "benchmarks" / "real_points" / "places.json").read_text())
    items = [i for one in sets for i in one.items if i.image.kind != "scene"]
    assert len(items) > 50
    for place in frozen["places"]:
        for path in (p.resolve() for pattern in place["photos"] for p in data.glob(pattern)):
            for item in (i for i in items if Path(i.image.path).resolve() == path):
                assert "window" in place, f"{item.name} is in {place['name']}"
                guard = frozen["guard"] / place["gsd"]
                row, col, height, width = place["window"]
                top, left, high, wide = item.region
                apart = max(row - top - high, top - row - height, col - left - wide, left - col - width)
                assert apart >= guard * 0.99, f"{item.name} is {apart * place['gsd']:.0f} m from {place['name']}"


def test_photos_without_labels_only_teach(folder: Path) -> None:
    """All of their pixels are unknown, and they cannot be validated or tested on."""
    section = DataSection(kind="unlabelled", name="town", root=folder, images="*_RGB.tif")
    (town,) = labelled_sets([section], ISPRS, RGB, None)["train"]
    assert town.items[0].labels.kind == "none"
    assert class_places(town.items[0]) == {}
    for refused in ({"use": "test"}, {"split": {"side": "east"}}):
        with pytest.raises(UsageError, match="has no labels to score with"):
            labelled_sets([DataSection.model_validate({**section.model_dump(), **refused})], ISPRS, RGB, None)


def test_ground_without_labels_is_kept_apart_from_what_is_scored(folder: Path) -> None:
    bare = DataSection(kind="unlabelled", name="town", root=folder, images="*_RGB.tif")
    scored = DataSection(kind="pairs", name="truth", root=folder, images="*_RGB.tif", labels="*_label.tif", use="test")
    with pytest.raises(UsageError, match="share"):
        labelled_sets([bare, scored], ISPRS, RGB, None)


def test_quarters_of_scenes_take_turns_and_unknown_ones_are_named() -> None:
    section = DataSection(kind="scenes", seed=8, count=4, metres=16, quarters=["village", "old town"])
    (one,) = labelled_sets([section], ISPRS, RGB, None)["train"]
    assert [i.image.scene.quarter for i in one.items if i.image.scene] == ["village", "old town"] * 2
    with pytest.raises(UsageError, match="names castle"):
        labelled_sets([section.model_copy(update={"quarters": ["castle"]})], ISPRS, RGB, None)


def test_one_photo_and_one_label_by_name_are_a_pair(folder: Path) -> None:
    (folder / "drawn_by_hand.tif").write_bytes(next(folder.glob("*_label.tif")).read_bytes())
    name = next(folder.glob("*_RGB.tif")).name
    section = DataSection(kind="pairs", root=folder, images=name, labels="drawn_by_hand.tif")
    (one,) = labelled_sets([section], ISPRS, RGB, None)["train"]
    assert one.items[0].labels.path.endswith("drawn_by_hand.tif")


def _named(path: Path, names: tuple[str, ...]) -> Path:
    """A sheet whose band k holds the value k, with names of its bands."""
    write_sheet(path, np.arange(1, len(names) + 1, dtype=np.uint8)[:, None, None].repeat(60, 1).repeat(60, 2))
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = names
        dataset.colorinterp = [ColorInterp.undefined] * len(names)
    return path


def test_bands_are_taken_by_what_the_file_says(tmp_path: Path) -> None:
    """By names, as `geoseg tile` does; `bands` of the data set overrules them; what does not fit is told."""
    _named(tmp_path / "a_RGB.tif", ("NIR", "Red", "Green", "Blue"))
    section = DataSection(kind="unlabelled", root=tmp_path, images="*.tif")
    bands = lambda wanted, **more: (
        labelled_sets([section.model_copy(update=more)], ISPRS, wanted, None)["train"][0].items[0].image.bands
    )
    assert bands(RGB) == (2, 3, 4)
    assert bands(("nir", "red", "green")) == (1, 2, 3)
    assert bands(RGB, bands=[1, 2, 3]) == (1, 2, 3)
    assert bands(("other", "other")) == (1, 2)
    with pytest.raises(UsageError, match=r'has 1 nir \("NIR"\).*wants height'):
        bands(("height",))

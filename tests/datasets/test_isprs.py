"""Potsdam and Vaihingen as released, with their known defects."""

from __future__ import annotations

import logging
from pathlib import Path

import layouts
import numpy as np
import pytest
from layouts import labels_of
from rasterio.windows import Window
from support import CRS, PLACE

from geoseg.classes import NODATA
from geoseg.datasets.isprs import isprs_items, official_split
from geoseg.datasets.items import read_item
from geoseg.errors import UsageError


def test_potsdam_is_found_decoded_and_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = layouts.potsdam(tmp_path, ("2_10", "3_10", "4_12", "6_7", "2_13"))
    with caplog.at_level(logging.WARNING):
        parts = isprs_items(root, "potsdam")
    assert [i.name for i in parts["validation"]] == ["2_10"]
    assert [i.name for i in parts["test"]] == ["2_13"]
    assert sorted(i.name for i in parts["train"]) == ["3_10", "4_12", "6_7"]
    assert "re-encoded" in caplog.text
    assert "252, 255, 0" in caplog.text
    rng = np.random.default_rng(5)
    for number in ("2_10", "3_10", "4_12", "6_7", "2_13"):
        truth = layouts.patchwork(rng, (160, 160))
        (item,) = [i for part in parts.values() for i in part if i.name == number]
        assert (labels_of(item) == truth).all(), number
        for bands in (3, 3, 4):  # the generator drew these in between
            layouts.picture_of(truth, rng, bands)
        if number == "4_12":
            rng.integers(-30, 31, (3, 160, 160))


def test_potsdam_rules_for_boundaries(tmp_path: Path) -> None:
    root = layouts.potsdam(tmp_path, ("2_10", "3_10"))
    every, without, eroded = (
        isprs_items(root, "potsdam", boundary=b)["train"][0] for b in ("all", "noBoundary", "eroded")
    )
    assert (labels_of(every) != NODATA).all()
    assert (labels_of(without)[::16] == NODATA).all()
    near = labels_of(eroded)
    assert 0.2 < (near == NODATA).mean() < 0.9
    assert (near[near != NODATA] == labels_of(every)[near != NODATA]).all()


def test_potsdam_with_world_files_and_padded_names(tmp_path: Path) -> None:
    root = layouts.potsdam(tmp_path, ("2_10", "3_10"), world_files=True)
    for path in sorted(root.rglob("*2_10*")):
        path.rename(path.with_name(path.name.replace("2_10", "02_10")))
    parts = isprs_items(root, "potsdam", crs=CRS)
    (item,) = parts["validation"]
    assert item.name == "2_10"
    assert abs(item.image.gsd - 0.1) < 1e-3
    assert np.allclose(item.image.transform, tuple(PLACE)[:6])


def test_potsdam_four_bands_and_excluded_sheets(tmp_path: Path) -> None:
    root = layouts.potsdam(tmp_path, ("2_10", "3_10", "7_10"))
    parts = isprs_items(root, "potsdam", "RGBIR", exclude=("7_10",))
    assert [i.name for i in parts["train"]] == ["3_10"]
    assert read_item(parts["train"][0], Window(0, 0, 8, 8))[0].shape == (4, 8, 8)


def test_vaihingen(tmp_path: Path) -> None:
    parts = isprs_items(layouts.vaihingen(tmp_path), "vaihingen", "IRRG")
    assert {k: [i.name for i in v] for k, v in parts.items()} == {"train": ["1"], "validation": ["30"], "test": ["2"]}
    with pytest.raises(UsageError, match="near infrared, red, green"):
        isprs_items(tmp_path, "vaihingen", "RGB")


def test_official_splits_are_complete() -> None:
    potsdam, vaihingen = official_split("potsdam"), official_split("vaihingen")
    assert len(potsdam) == 38
    assert len(vaihingen) == 33
    assert sum(v == "test" for v in potsdam.values()) == 14
    assert sum(v == "test" for v in vaihingen.values()) == 17


def test_missing_label_and_empty_folder_are_named(tmp_path: Path) -> None:
    root = layouts.potsdam(tmp_path, ("3_10",))
    next(root.rglob("*_label.tif")).unlink()
    with pytest.raises(UsageError, match="top_potsdam_3_10_RGB.tif: has no label"):
        isprs_items(root, "potsdam")
    with pytest.raises(UsageError, match="expected names as released"):
        isprs_items(tmp_path / "5_Labels_all", "potsdam")

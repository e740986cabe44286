"""Data sections of a config become labelled sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from support import CONFIGS, PLACE, ROOT, write_sheet

from geoseg.classes import ISPRS
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import UsageError
from geoseg.learn.settings import DataSection, TrainConfig


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
    (one,) = labelled_sets([section], ISPRS, 3, None)["train"]
    assert one.items[0].region == (10, 20, 50, 50)
    with pytest.raises(UsageError, match="inside bbox"):
        labelled_sets([section.model_copy(update={"bbox": (0.0, 0.0, 1.0, 1.0)})], ISPRS, 3, None)
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
    sets = labelled_sets(TrainConfig.model_validate({**value, "data": sections}).data, ISPRS, 3, None)
    (held,) = sets["validation"]
    assert [s.name for s in sets["train"]] == ["banepa", "munich crossroad"]
    train_part, held_part = sets["train"][0].items[0].region, held.items[0].region
    assert held_part[1] - (train_part[1] + train_part[3]) >= 100 / 0.1326

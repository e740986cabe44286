"""Polygons and boxes as labels."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from layouts import labels_of
from PIL import Image
from support import CRS, PLACE, RGB, write_sheet

from geoseg.classes import ISPRS, NODATA, NOT
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import SheetError
from geoseg.learn.settings import DataSection


def test_polygons_are_burnt_with_what_the_rest_means(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.tif", np.zeros((3, 64, 64), np.uint8))
    left, top = PLACE.c, PLACE.f
    house = shapely.box(left + 1, top - 3, left + 2, top - 1)
    geopandas.GeoDataFrame({"kind": ["house"]}, geometry=[house], crs=CRS).to_crs("EPSG:4326").to_file(
        tmp_path / "b.geojson"
    )
    section = DataSection(
        kind="polygons",
        root=tmp_path,
        images="*.tif",
        labels="b.geojson",
        classes={"*": "building"},
        rest="not building",
    )
    (one,) = labelled_sets([section], ISPRS, RGB, None)["train"]
    labels = labels_of(one.items[0])
    assert (labels[10:30, 10:20] == 1).mean() > 0.98
    assert (labels[40:] == NOT + 1).all()
    odd = section.model_copy(update={"column": "kind", "classes": {"barn": "building"}})
    (one,) = labelled_sets([odd], ISPRS, RGB, None)["train"]
    with pytest.raises(SheetError, match="'house' has no class"):
        labels_of(one.items[0])


def test_boxes_know_their_core_and_not_their_ring(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((100, 200, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n4 0.1 0.1 0.05 0.1\n")
    section = DataSection(
        kind="boxes", root=tmp_path, images="*.png", classes={0: "car", 4: "ignore"}, rest="not car", gsd=0.15
    )
    (one,) = labelled_sets([section], ISPRS, RGB, None)["train"]
    labels = labels_of(one.items[0])
    assert labels[50, 100] == 4
    assert labels[35, 85] == NODATA
    assert labels[90, 190] == NOT + 4
    assert labels[10, 20] == NODATA
    (tmp_path / "a.txt").write_text("0 0.5 oops 0.2 0.4\n")
    from geoseg.datasets.shapes import read_boxes

    read_boxes.cache_clear()
    with pytest.raises(SheetError, match="line 1"):
        read_boxes(str(tmp_path / "a.txt"))

"""Guarantee 4: vectors are exact, and what lies far away changes none."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
from rasterio.features import rasterize
from runs import photo, polygons_of
from support import PLACE, class_raster, moved, write_sheet

from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile


def test_what_lies_far_away_changes_no_feature(tmp_path, blur_network):
    """Two towns in one run have the features of each town alone; their windows even overlap."""
    image = photo(210, 240)
    town = [
        write_sheet(tmp_path / "in/a.tif", image),
        write_sheet(tmp_path / "in/b.tif", image, place=moved(PLACE, 2000, 2100)),
    ]
    other = [write_sheet(tmp_path / "in/c.tif", image[:, :, ::-1], place=moved(PLACE, 1000, 1200))]
    run = tmp_path / "run"
    found = {}
    for name, sheets in (("both", [*town, *other]), ("town", town[:1]), ("far", town[1:]), ("other", other)):
        tile(sheets, run, TileOptions(block_size=64))  # the grid stays where the first one put it
        infer(run, InferOptions(model=(blur_network,), engine="torch"))
        mosaic(run)
        found[name] = polygons_of(run)
        facts = json.loads((run / "run.json").read_text())["coverage"]
        assert (facts["districts"], facts["gap"], facts["overlap"]) == (3 if name == "both" else 1, 0, 0)
    assert found["both"] == sorted(found["town"] + found["far"] + found["other"])
    assert found["town"]


def test_polygons_rasterise_back_to_the_class_raster(reference):
    run = reference[2]
    classes, place = class_raster(run)
    mosaic(run, MosaicOptions(min_area=0.0, exact=True))
    path = next((run / "out").glob("*_exact.gpkg"))
    shapes = []
    for layer in geopandas.list_layers(path).name:
        if layer != "layer_styles":
            frame = geopandas.read_file(path, layer=layer)
            assert frame.geometry.is_valid.all()
            shapes += list(zip(frame.geometry, frame["class_id"], strict=True))
    back = rasterize(shapes, out_shape=classes.shape, transform=place, fill=255, dtype="uint8")
    assert np.array_equal(back, classes)
    total = sum(shape.area for shape, _ in shapes)
    assert total == pytest.approx((classes != 255).sum() * 0.01, rel=1e-9)

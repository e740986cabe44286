"""Rasters of sheets."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from support import PLACE, moved, write_sheet

from geoseg.errors import PlanError
from geoseg.options import InferOptions, MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.evaluate.evaluate import EvaluateOptions, evaluate
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile


def test_sheets_of_one_name_keep_a_raster_each(tmp_path, truth_network):
    paths = []
    for i, name in enumerate(("x/a.tif", "y/a.tif", "z/a_2.tif", "w/A.tif")):
        image = np.full((3, 40, 40), i, np.uint8)
        paths.append(write_sheet(tmp_path / name, image, place=moved(PLACE, 50 * i, 0)))
    tile(paths, tmp_path / "run")
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    mosaic(tmp_path / "run", MosaicOptions(vectors=False))
    rasters = sorted((tmp_path / "run/out/sheets").glob("*.tif"))
    assert len({p.name.casefold() for p in rasters}) == 4
    assert sorted(int(rasterio.open(p).read(1)[0, 0]) for p in rasters) == [0, 1, 2, 3]


def test_sheets_scattered_over_a_country_have_a_raster_for_each_group(tmp_path, truth_network, geoseg):
    """Two that touch, and one 500 km away: a raster has the pixels of a run of its own, the features are one file."""
    pixels = np.repeat(np.arange(6, dtype=np.uint8)[None, :, None], 3, 0).repeat(10, 1).repeat(60, 2)
    places = {"a": PLACE, "b": moved(PLACE, 60, 0), "c": moved(PLACE, 400_000, 5_000_000)}
    for name, place in places.items():
        write_sheet(tmp_path / "in" / f"{name}.tif", np.roll(pixels, ord(name), 1), place=place)
    report = tile([tmp_path / "in"], tmp_path / "run")
    assert "2 groups over 50" in report.warnings[0]
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    made = mosaic(tmp_path / "run", MosaicOptions(name="land", min_area=0.1))
    out = tmp_path / "run/out"
    assert {p.name for p in made.files} >= {
        *(f"land_{i}_{k}.tif" for i in (1, 2) for k in ("classes", "confidence")),
        "land.gpkg",
        "land.stac.json",
    }
    for group, names in (("1", "ab"), ("2", "c")):
        alone = tmp_path / f"alone{group}"
        tile([tmp_path / "in" / f"{n}.tif" for n in names], alone)
        infer(alone, InferOptions(model=(truth_network,), engine="torch"))
        mosaic(alone, MosaicOptions(name="x", vectors=False))
        with (
            rasterio.open(out / f"land_{group}_classes.tif") as ours,
            rasterio.open(alone / "out/x_classes.tif") as own,
        ):
            assert ours.transform.almost_equals(own.transform, 1e-6)
            assert np.array_equal(ours.read(), own.read())
    assets = json.loads((out / "land.stac.json").read_text())["assets"]
    assert {"1_classes_tif", "2_classes_tif"} <= set(assets)
    assert assets["1_classes_tif"]["proj:transform"] != assets["2_classes_tif"]["proj:transform"]
    assert "3 in 2 groups" in (out / "report.html").read_text()
    with pytest.raises(PlanError, match="one for each group"):
        _ = Run(tmp_path / "run").classes
    assert "count" not in assets["1_classes_tif"]["bands"][0]["classification:classes"][0]
    assert "<code>land_1_classes.tif</code>, <code>land_2_classes.tif</code>" in (out / "report.html").read_text()
    for name in places:
        write_sheet(tmp_path / "labels" / f"{name}.tif", np.roll(pixels, ord(name), 1)[:1], place=places[name])
    assert evaluate(tmp_path / "run", tmp_path / "labels", EvaluateOptions()).report["mean_iou"] == 1
    assert geoseg("verify", tmp_path / "run")[0] == 0
    assert geoseg("view", tmp_path / "run", "-o", tmp_path / "v.png")[0] == 0

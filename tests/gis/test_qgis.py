"""What QGIS shows with no click; needs Debian's PyQGIS (apt-get install python3-qgis): python -m pytest -m qgis."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
import rasterio
from support import ROOT

from geoseg.classes import ISPRS
from geoseg.options import InferOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    if subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False).returncode:
        pytest.skip("no PyQGIS: apt-get install python3-qgis")
    run = tmp_path_factory.mktemp("qgis") / "town"
    tile([ROOT / "sample_data/sheets"], run)
    infer(run, InferOptions())
    mosaic(run)
    return run


def look(picture, *files):
    done = subprocess.run(
        [PYTHON, str(ROOT / "tests/qgis_look.py"), str(picture), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Non-conformant" not in done.stderr
    return {facts["name"]: facts for facts in map(json.loads, done.stdout.splitlines())}


@pytest.mark.qgis
def test_the_class_raster_opens_named_and_coloured(run, tmp_path):
    (shown,) = look(tmp_path / "map.png", run / "out/town_classes.tif").values()
    assert shown["renderer"] == "paletted"
    assert shown["legend"] == [[c.name, c.hex] for c in ISPRS.classes]


@pytest.mark.qgis
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_every_layer_opens_styled_and_the_map_is_not_blank(run, tmp_path):
    shown = look(tmp_path / "map.png", run / "out/town.gpkg", run / "patches.gpkg")
    assert set(shown) - {"patches", "blocks", "sheets"} == {
        "landcover",
        "buildings",
        "roads",
        "road_centrelines",
        "trees",
        "tree_points",
        "cars",
    }
    assert shown["landcover"]["renderer"] == "categorizedSymbol"
    assert shown["buildings"]["aliases"]["area_m2"] == "Area (m²)"
    assert all(s["valid"] and s["crs"] == "EPSG:25833" for s in shown.values())
    with rasterio.open(tmp_path / "map.png") as picture:
        assert len(np.unique(picture.read(1))) > 10


@pytest.mark.qgis
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_project_opens_with_its_layers_in_place(run, tmp_path):
    shown = look(tmp_path / "map.png", run / "out/town.qgz")
    photos = {p.stem for p in (ROOT / "sample_data/sheets").glob("*.tif")}
    assert {"classes", "buildings", "cars", "road_centrelines"} | photos == set(shown)
    assert all(s["valid"] and s["crs"] == "EPSG:25833" for s in shown.values())
    assert shown["classes"]["legend"] == [[c.name, c.hex] for c in ISPRS.classes]
    with rasterio.open(tmp_path / "map.png") as picture:
        assert len(np.unique(picture.read(1))) > 10

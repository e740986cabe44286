"""What the GeoPackage says of its own columns, read back by GDAL and by SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import geopandas
import numpy as np
import pytest
import rasterio
from shapely import box

import geoseg
from geoseg.gis.columns import COLUMNS, KINDS, with_aliases
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.layers import tables


@pytest.fixture(scope="module")
def layers() -> dict[str, geopandas.GeoDataFrame]:
    classes = np.zeros((300, 300), np.uint8)
    classes[20:120, 20:120], classes[150:220, 150:220], classes[140:158, 20:65] = 1, 3, 4
    return geoseg.features(classes, rasterio.Affine(0.1, 0, 367000, 0, -0.1, 5807000), "EPSG:25833", geoseg.ISPRS)


def test_every_column_of_every_layer_is_explained(layers: dict[str, geopandas.GeoDataFrame]) -> None:
    assert set(layers) == set(tables())
    for name, frame in layers.items():
        assert set(frame.columns) - {"geometry"} <= set(COLUMNS), name
    assert {name for name, frame in layers.items() if "kind" in frame} == set(KINDS)
    aliases = [c.alias for c in COLUMNS.values()]
    assert len(set(aliases)) == len(aliases)


def test_values_of_lists_are_those_that_layers_have(layers: dict[str, geopandas.GeoDataFrame]) -> None:
    for name, kinds in KINDS.items():
        assert set(layers[name]["kind"].dropna()) <= set(kinds)
    assert set(layers["buildings"]["status"]) <= set(COLUMNS["status"].values)


def test_the_file_says_it_and_gdal_reads_it(tmp_path, layers: dict[str, geopandas.GeoDataFrame]) -> None:
    path = tmp_path / "a.gpkg"
    write_geopackage(path, [Layer(n, f, "<qgis/>", n, tables()[n].geometry) for n, f in layers.items()])
    with closing(sqlite3.connect(path)) as database:
        said = dict(database.execute("SELECT column_name, name FROM gpkg_data_columns WHERE table_name = 'buildings'"))
        values = {v for (v,) in database.execute(
            "SELECT value FROM gpkg_data_column_constraints WHERE constraint_name = 'buildings_status'")}  # fmt: skip
        extensions = {t for t, n in database.execute("SELECT table_name, extension_name FROM gpkg_extensions")
                      if n == "gpkg_schema"}  # fmt: skip
    assert said["area_m2"] == "Area (m²)"
    assert values == {"squared", "round", "simplified"}
    assert extensions == {"gpkg_data_columns", "gpkg_data_column_constraints"}
    again = geopandas.read_file(path, layer="buildings")
    assert again["area_m2"].tolist() == layers["buildings"]["area_m2"].tolist()  # names of columns stay


def test_styles_hold_the_aliases_too() -> None:
    style = with_aliases('<qgis version="3" styleCategories="Symbology"><a/></qgis>', ["id", "x", "area_m2"])
    assert 'styleCategories="Fields|Symbology"' in style
    assert '<alias field="area_m2" index="2" name="Area (m²)"/>' in style
    assert with_aliases("<qgis/>", ["id"]) == "<qgis/>"


def test_a_file_of_other_columns_has_no_such_tables(tmp_path) -> None:
    frame = geopandas.GeoDataFrame({"x": [1]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:25833")
    write_geopackage(tmp_path / "a.gpkg", [Layer("a", frame, "<qgis/>")])
    with closing(sqlite3.connect(tmp_path / "a.gpkg")) as database:
        assert not list(database.execute("SELECT name FROM sqlite_master WHERE name LIKE 'gpkg_data_col%'"))

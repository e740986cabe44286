"""GeoPackages that open styled and are read by others."""

from __future__ import annotations

import json
import sqlite3
import xml.etree.ElementTree as ElementTree

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
import rasterio
import rasterio.warp
import shapely
from support import SAMPLE

from geoseg.classes import NODATA
from geoseg.errors import UsageError
from geoseg.gis.geopackage import Layer, new_geopackage
from geoseg.gis.vector_door import read_table, vector_layers


def test_the_geopackage_is_styled_whole_and_read_by_others(finished):
    run, report = finished
    path = run / "out/town.gpkg"
    with sqlite3.connect(path) as database:
        styles = database.execute(
            "SELECT f_table_schema, f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
        ).fetchall()
        assert database.execute("PRAGMA user_version").fetchone()[0] == 10200
    assert [s[1] for s in styles] == [
        "landcover",
        "buildings",
        "roads",
        "road_centrelines",
        "trees",
        "tree_points",
        "cars",
    ]
    for schema, _, column, qml, default in styles:
        assert (schema, column, default) == ("", "geom", 1)
        ElementTree.fromstring(qml)
    for name, count in report.features.items():
        info = pyogrio.read_info(path, layer=name)
        assert info["features"] == count
        assert info["crs"] == "EPSG:25833"
        frame = geopandas.read_file(path, layer=name)
        assert {"id", "class", "class_id", "confidence", "touches_edge", "sheet"} <= set(frame.columns)
        assert frame["id"].is_unique
        assert frame.geometry.is_valid.all()
        assert frame["confidence"].between(0, 100).all()
        assert set(frame["sheet"]) <= {p.stem for p in (SAMPLE / "sheets").glob("*.tif")}
        if frame.geom_type.iloc[0] == "Polygon":
            assert np.allclose(frame["area_m2"], frame.geometry.area, rtol=2e-3)  # ground against map: UTM's 0.9996
    cover = geopandas.read_file(path, layer="landcover")
    facts = json.loads((run / "run.json").read_text())["coverage"]
    assert (facts["gap"], facts["overlap"], facts["invalid"], facts["matched"]) == (0, 0, 0, True)
    assert shapely.coverage_is_valid(cover.geometry.to_numpy(), gap_width=0.01)
    assert cover.area.sum() == pytest.approx(
        (rasterio.open(run / "out/town_classes.tif").read(1) != NODATA).sum() * 0.01, rel=2e-3
    )


def test_errors_of_whoever_makes_layers_are_not_the_disks(tmp_path) -> None:
    def broken():
        raise ConnectionError("a worker hung up")
        yield []

    def write() -> None:
        with new_geopackage(tmp_path / "a.gpkg") as package:
            for layers in broken():
                package.add(layers)

    with pytest.raises(ConnectionError, match="hung up"):
        write()
    assert not list(tmp_path.iterdir())


def test_tables_without_geometry_lie_beside_layers(tmp_path):
    path = tmp_path / "a.gpkg"
    layer = Layer(
        "places", geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=25833), "<qgis/>"
    )
    rows = pandas.DataFrame({"name": ["a", "b"], "pixels": [1, 2]})
    with new_geopackage(path) as package:
        package.add([layer])
        package.add_table("rows", rows)
        package.commit()
    assert read_table(path, "rows").equals(rows)
    assert vector_layers(path) == ["places"]
    with pytest.raises(UsageError):
        read_table(path, "others")
    with sqlite3.connect(path) as database:
        kinds = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall())
    assert kinds == {"places": "features", "rows": "attributes", "layer_styles": "attributes"}

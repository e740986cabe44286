"""Vector formats beside the GeoPackage."""

from __future__ import annotations

import json
from importlib.util import find_spec

import geopandas
import pyogrio
import pytest
import shapely

from geoseg.errors import UsageError
from geoseg.gis.geopackage import Layer
from geoseg.gis.vector_formats import FORMATS, check_formats, write_layers


def test_other_vector_formats_hold_the_same_features(finished, tmp_path):
    run, _ = finished
    layers = [Layer("cars", geopandas.read_file(run / "out/town.gpkg", layer="cars"), "<qgis/>", "cars")]
    names = tuple(n for n in FORMATS if n != "parquet" or find_spec("pyarrow"))
    files = write_layers(tmp_path / "town", layers, names)
    assert {f"town_cars.{n}" for n in names} <= {f.name for f in files}
    truth = layers[0].frame
    for suffix in (".fgb", ".geojson", *([".parquet"] if "parquet" in names else [])):
        read = geopandas.read_parquet if suffix == ".parquet" else geopandas.read_file
        frame = read(tmp_path / f"town_cars{suffix}").to_crs(truth.crs).set_index("id").loc[truth["id"]]
        assert shapely.hausdorff_distance(frame.geometry.to_numpy(), truth.geometry.to_numpy()).max() < 0.03
        assert frame["heading_deg"].tolist() == truth["heading_deg"].tolist()
    assert pyogrio.list_layers(tmp_path / "town_cars.pmtiles")[0][0] == "cars"
    with pytest.raises(UsageError, match="choose from"):
        check_formats(("dxf",))


def test_duckdb_reads_geoparquet_and_finds_features_by_their_boxes(finished, tmp_path):
    """With neither its spatial extension nor a network: geometries are well-known binary, boxes are plain numbers."""
    duckdb = pytest.importorskip("duckdb")
    parquet = pytest.importorskip("pyarrow.parquet")
    truth = geopandas.read_file(finished[0] / "out/town.gpkg", layer="buildings")
    write_layers(tmp_path / "town", [Layer("buildings", truth, "<qgis/>", "buildings")], ("parquet",))
    path = tmp_path / "town_buildings.parquet"
    facts = json.loads(parquet.read_schema(path).metadata[b"geo"])
    assert facts["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    x, y = truth.geometry.iloc[0].representative_point().coords[0]
    with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as database:
        select = f"SELECT id, geometry, bbox, area_m2, class_id, touches_edge FROM read_parquet('{path}')"
        rows = {row[0]: row[1:] for row in database.execute(select).fetchall()}
        where = f"bbox.xmin <= {x} AND bbox.xmax >= {x} AND bbox.ymin <= {y} AND bbox.ymax >= {y}"
        near = database.execute(f"SELECT id FROM read_parquet('{path}') WHERE {where}").fetchall()
    assert rows.keys() == set(truth["id"])
    for one in truth.itertuples():
        geometry, box, *rest = rows[one.id]
        assert shapely.from_wkb(geometry) == one.geometry
        assert (box["xmin"], box["ymin"], box["xmax"], box["ymax"]) == one.geometry.bounds
        assert rest == [one.area_m2, one.class_id, one.touches_edge]
    assert {row[0] for row in near} == set(truth["id"][truth.envelope.intersects(shapely.Point(x, y))])

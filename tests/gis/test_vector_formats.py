"""Vector formats beside the GeoPackage."""

from __future__ import annotations

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

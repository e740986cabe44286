"""The area of interest."""

from __future__ import annotations

import pytest
from runs import classes_like
from support import CRS, PLACE, class_raster, write_sheet


def test_an_area_of_interest_limits_the_output(tmp_path, truth_network, geoseg):
    import geopandas
    import shapely

    sheet = classes_like(100, 100)
    path = write_sheet(tmp_path / "s.tif", sheet)
    box = shapely.box(PLACE.c + 2, PLACE.f - 7, PLACE.c + 6, PLACE.f - 3)
    geopandas.GeoDataFrame(geometry=[box], crs=CRS).to_crs("EPSG:4326").to_file(tmp_path / "aoi.geojson")
    code, _, err = geoseg(
        "run",
        path,
        "-o",
        tmp_path / "run",
        "--model",
        truth_network,
        "--aoi",
        tmp_path / "aoi.geojson",
        "--engine",
        "torch",
    )
    assert code == 0, err
    found, place = class_raster(tmp_path / "run")
    assert place.c == pytest.approx(PLACE.c + 2, abs=0.11)
    assert (found != 255).sum() == pytest.approx(1600, abs=85)
    code, _, err = geoseg(
        "tile", path, "-o", tmp_path / "b", "--bbox", f"{PLACE.c + 2},{PLACE.f - 7},{PLACE.c + 6},{PLACE.f - 3}"
    )
    assert code == 0, err

"""The area of interest."""

from __future__ import annotations

import geopandas
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from plans import GRID
from support import CRS, PLACE

from geoseg.errors import UsageError
from geoseg.options import TileOptions
from geoseg.stages.tile.area import area_of

sides = st.floats(0.5, 500)


@given(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), sides, sides)
def test_a_box_is_that_box(left, bottom, width, height) -> None:
    area = shapely.from_wkt(area_of(TileOptions(bbox=(left, bottom, left + width, bottom + height)), GRID))
    assert area.bounds == pytest.approx((left, bottom, left + width, bottom + height), abs=2e-6)
    assert area.area == pytest.approx(width * height, rel=1e-3)


def _polygons(path, *shapes, crs=CRS):
    geopandas.GeoDataFrame(geometry=list(shapes), crs=crs).to_file(path)
    return path


def test_nothing_asked_for_is_everything() -> None:
    assert area_of(TileOptions(), GRID) == ""


def test_polygons_of_any_crs_cut_with_the_box(tmp_path) -> None:
    left, top = PLACE.c, PLACE.f
    square = shapely.box(left, top - 10, left + 10, top)
    frame = geopandas.GeoDataFrame(geometry=[square], crs=CRS).to_crs("EPSG:4326")
    frame.to_file(tmp_path / "aoi.geojson")
    box = (left + 5, top - 10, left + 50, top)
    area = shapely.from_wkt(area_of(TileOptions(aoi=tmp_path / "aoi.geojson", bbox=box), GRID))
    assert area.symmetric_difference(shapely.box(left + 5, top - 10, left + 10, top)).area < 0.1


@pytest.mark.parametrize("box", [(1, 0, 0, 1), (0, 1, 1, 0), (0, 0, 0, 1)])
def test_a_box_inside_out_is_refused(box) -> None:
    with pytest.raises(UsageError, match="left,bottom,right,top"):
        area_of(TileOptions(bbox=box), GRID)


def test_files_that_hold_no_area_say_what_they_lack(tmp_path) -> None:
    def refused(path, **more) -> str:
        with pytest.raises(UsageError) as caught:
            area_of(TileOptions(aoi=path, **more), GRID)
        return caught.value.what

    point = _polygons(tmp_path / "point.gpkg", shapely.Point(PLACE.c, PLACE.f))
    assert "holds no polygon" in refused(point)
    square = shapely.box(PLACE.c, PLACE.f - 1, PLACE.c + 1, PLACE.f)
    with pytest.warns(UserWarning, match="crs"):
        bare = _polygons(tmp_path / "bare.gpkg", square, crs=None)
    assert "has no CRS" in refused(bare)
    (tmp_path / "text.gpkg").write_text("no polygons")
    assert "is no vector file that geoseg reads" in refused(tmp_path / "text.gpkg")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    assert "is no vector file" in refused(tmp_path / "table.csv")
    good = _polygons(tmp_path / "good.gpkg", square)
    assert "does not meet --bbox" in refused(good, bbox=(0.0, 0.0, 1.0, 1.0))

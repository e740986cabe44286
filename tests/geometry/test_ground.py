"""Metres on the ground."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from rasterio.crs import CRS

from geoseg.geometry.ground import area_factors, horizontal, metres_per_unit, shift_accuracy, utm_zone

UTM = CRS.from_epsg(25833).to_wkt()


def test_ground_metres():
    assert metres_per_unit(UTM, 367_000, 5_807_000) == pytest.approx(1, abs=1e-3)
    mercator = CRS.from_epsg(3857).to_wkt()
    assert area_factors(mercator, 1_455_000, 6_870_000)[0] == pytest.approx(1 / 2.7, rel=0.02)  # Potsdam
    assert area_factors(mercator, 9_519_391, 3_203_475)[0] == pytest.approx(1 / 1.27, rel=0.02)  # Kathmandu valley
    feet = CRS.from_epsg(2229).to_wkt()  # California zone 5, US survey feet
    assert metres_per_unit(feet, 6_480_000, 1_850_000) == pytest.approx(0.3048, rel=1e-3)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4258", "EPSG:4267", "EPSG:4807"])
@pytest.mark.parametrize("lat", [-70.0, -3.0, 0.0, 48.0, 80.0])
def test_square_degrees_are_as_large_as_on_the_ellipsoid(crs: str, lat: float) -> None:
    """Against areas of small geodesic squares; EPSG:4807 counts in grads from Paris."""
    known = pyproj.CRS(crs)
    unit = np.degrees(known.axis_info[0].unit_conversion_factor)
    x, y, side = 2.0, lat / unit, 1e-3
    xs, ys = np.array([x, x + side, x + side, x]), np.array([y, y, y + side, y + side])
    ellipsoid = known.ellipsoid
    assert ellipsoid is not None
    geod = pyproj.Geod(a=ellipsoid.semi_major_metre, rf=ellipsoid.inverse_flattening)
    area, _ = geod.polygon_area_perimeter(xs * unit, ys * unit)
    (found,) = area_factors(known.to_wkt(), x + side / 2, y + side / 2)
    assert found * side**2 == pytest.approx(abs(area), rel=1e-4)


def test_the_horizontal_part_of_a_compound_crs() -> None:
    compound = pyproj.CRS("EPSG:25833+7837").to_wkt()
    assert pyproj.CRS(horizontal(compound)).to_epsg() == 25833
    plain = pyproj.CRS("EPSG:25833").to_wkt()
    assert horizontal(plain) == plain
    assert horizontal("") == ""
    assert horizontal("COMPD_CS[nonsense") == "COMPD_CS[nonsense"


def test_utm_zones_of_places() -> None:
    def zone(crs: str, lon: float, lat: float) -> str:
        return utm_zone(pyproj.CRS(crs).to_wkt(), lon, lat)

    assert zone("EPSG:4326", 13.06, 52.4) == "EPSG:32633"
    assert zone("EPSG:4258", 13.06, 52.4) == "EPSG:25833"
    assert zone("EPSG:4326", -70.0, -33.4) == "EPSG:32719"
    assert zone("EPSG:4326", 361.0, 10.0) == "EPSG:32631"


def test_accuracy_of_changes_of_datum() -> None:
    def accuracy(source: str, target: str) -> float | None:
        return shift_accuracy(pyproj.CRS(source).to_wkt(), pyproj.CRS(target).to_wkt(), 11.5, 48.1)

    assert accuracy("EPSG:25832", "EPSG:25833") == 0
    found = accuracy("EPSG:31468", "EPSG:25832")
    assert found is None or found >= 0.5


def test_degrees_on_a_sphere() -> None:
    sphere = pyproj.CRS("+proj=longlat +R=6371000 +no_defs").to_wkt()
    assert metres_per_unit(sphere, 10, 0) == pytest.approx(6371000 * np.pi / 180)

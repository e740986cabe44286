"""Metres on the ground."""

from __future__ import annotations

import pytest
from rasterio.crs import CRS

from geoseg.geometry.ground import area_factors, metres_per_unit

UTM = CRS.from_epsg(25833).to_wkt()


def test_ground_metres():
    assert metres_per_unit(UTM, 367_000, 5_807_000) == pytest.approx(1, abs=1e-3)
    mercator = CRS.from_epsg(3857).to_wkt()
    assert area_factors(mercator, 1_455_000, 6_870_000)[0] == pytest.approx(1 / 2.7, rel=0.02)  # Potsdam
    assert area_factors(mercator, 9_519_391, 3_203_475)[0] == pytest.approx(1 / 1.27, rel=0.02)  # Kathmandu valley
    feet = CRS.from_epsg(2229).to_wkt()  # California zone 5, US survey feet
    assert metres_per_unit(feet, 6_480_000, 1_850_000) == pytest.approx(0.3048, rel=1e-3)

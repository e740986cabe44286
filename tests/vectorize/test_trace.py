"""Tracing: the polygons of GDAL."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.vectorize.trace import trace


def gdal_polygons(raster, skip=None):
    found = rasterio.features.shapes(raster, connectivity=4)
    return sorted((int(v), shapely.normalize(shapely.geometry.shape(g)).wkb) for g, v in found if v != skip)


def our_polygons(regions):
    return sorted((int(v), shapely.normalize(p).wkb) for v, p in zip(regions.values, regions.polygons, strict=True))


rasters = st.builds(
    lambda h, w, k, seed: np.random.default_rng(seed).integers(0, k, (h, w)).astype(np.uint8),
    st.integers(1, 24), st.integers(1, 24), st.integers(1, 5), st.integers(0, 2**32 - 1),
)  # fmt: skip


@settings(max_examples=300)
@given(rasters)
def test_polygons_are_gdals(raster):
    regions = trace(raster, np.ones_like(raster))
    assert our_polygons(regions) == gdal_polygons(raster)
    assert all(p.is_valid for p in regions.polygons)
    assert np.array_equal([p.area for p in regions.polygons], regions.pixels)
    assert np.array_equal(regions.pixels, regions.weight)


def spiral(n):
    """One winding line of ones, one pixel apart from itself."""
    out = np.zeros((n, n), np.uint8)
    low, high = 0, n - 1
    while low <= high:
        out[low, low : high + 1] = out[low : high + 1, high] = out[high, low : high + 1] = 1
        out[low + 2 : high + 1, low] = 1
        out[low + 2, low : low + 2] = 1
        low, high = low + 2, high - 2
    return out


@pytest.mark.parametrize(
    "raster",
    [
        np.indices((31, 30)).sum(0) % 2,
        spiral(25),
        np.pad(np.pad(np.pad(np.ones((1, 1)), 2), 2, constant_values=1), 3),
        np.repeat(np.arange(20)[None] % 2, 9, 0),
        np.eye(40),
        np.zeros((1, 1)),
        np.zeros((3, 50)),
    ],
    ids=["checkerboard", "spiral", "holes in holes", "lines", "diagonal", "one pixel", "one region"],
)
def test_adversarial_rasters(raster):
    raster = raster.astype(np.uint8)
    assert our_polygons(trace(raster)) == gdal_polygons(raster)

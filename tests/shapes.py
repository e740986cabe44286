"""Rectangles, what a raster shows of a shape, and what a clean coverage is."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine
from shapely import affinity

from geoseg.vectorize.coverage import coverage_figures
from geoseg.vectorize.trace import trace


def rectangle(length: float, width: float, angle: float = 0.0, x: float = 0.0, y: float = 0.0) -> shapely.Polygon:
    """A rectangle around (x, y), turned."""
    return affinity.translate(
        affinity.rotate(shapely.box(-length / 2, -width / 2, length / 2, width / 2), angle, origin=(0, 0)), x, y
    )


def pixelated(shape: shapely.Geometry, pixel: float = 0.05) -> shapely.Polygon:
    """The outline of what a raster of a shape shows, as a class raster gives it."""
    left, bottom, right, top = shape.bounds
    place = Affine(pixel, 0, left - 1, 0, -pixel, top + 1)
    size = int((top - bottom + 2) / pixel), int((right - left + 2) / pixel)
    regions = trace(rasterize([shape], out_shape=size, transform=place, dtype="uint8"), skip=0)
    largest = regions.polygons[int(np.argmax(regions.pixels))]
    return shapely.transform(
        largest, lambda xy: np.column_stack([xy[:, 0] * pixel + left - 1, top + 1 - xy[:, 1] * pixel])
    )


def assert_clean(polygons: np.ndarray, area: float) -> None:
    """Valid, sharing their edges, and together as large as they should be."""
    figures = coverage_figures(polygons, area)
    assert (figures.invalid, figures.matched) == (0, True)
    assert shapely.area(polygons).sum() == pytest.approx(area, rel=1e-12)

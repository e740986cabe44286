"""Buildings: right angles, round ones, odd ones."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from shapely import affinity
from shapes import pixelated, rectangle
from strategies import smooth_raster

from geoseg.vectorize.buildings import SquareOptions, square_building
from geoseg.vectorize.trace import trace


@given(st.floats(4, 30), st.floats(4, 20), st.floats(0, 90))
@profile(max_examples=40)
def test_rectangles_come_back_from_their_pixels(length: float, width: float, angle: float) -> None:
    truth = rectangle(length, width, angle)
    found = square_building(pixelated(truth))
    assert found.status == "squared"
    assert shapely.get_num_coordinates(found.polygon) == 5
    assert found.polygon.intersection(truth).area / found.polygon.union(truth).area > 0.93


ELL = shapely.Polygon([(-7, -5), (7, -5), (7, 0), (1, 0), (1, 5), (-7, 5)])

TEE = shapely.Polygon([(-7, 0), (-7, 4), (7, 4), (7, 0), (2.5, 0), (2.5, -6), (-2.5, -6), (-2.5, 0)])

COURT = shapely.Polygon(shapely.box(-8, -7, 8, 7).exterior.coords, [shapely.box(-4, -3, 3, 3).exterior.coords])

CUT = shapely.Polygon([(-7, -5), (7, -5), (7, 2), (3, 6), (-7, 6)])


@pytest.mark.parametrize(("shape", "corners"), [(ELL, 6), (TEE, 8), (COURT, 8), (CUT, 5)])
@pytest.mark.parametrize("angle", [0, 17, 33, 45, 71])
def test_plans_come_back_with_their_corners(shape: shapely.Polygon, corners: int, angle: float) -> None:
    """L, T, courtyard, and one corner cut at 45 degrees."""
    truth = affinity.rotate(shape, angle, origin=(0, 0))
    found = square_building(pixelated(truth))
    assert found.status == "squared"
    rings = shapely.get_rings(found.polygon)
    assert shapely.get_num_coordinates(found.polygon) - len(rings) == corners
    assert found.polygon.intersection(truth).area / found.polygon.union(truth).area > 0.95
    assert found.iou > 0.95


def test_squaring_does_not_hang_on_the_place() -> None:
    raw = shapely.set_precision(pixelated(affinity.rotate(TEE, 20, origin=(0, 0))), 1 / 64)
    here, there = square_building(raw), square_building(affinity.translate(raw, 4096, -256))
    assert shapely.hausdorff_distance(affinity.translate(here.polygon, 4096, -256), there.polygon) < 1e-6


def test_round_ones_stay_round_and_odd_ones_keep_their_outline() -> None:
    tank = square_building(pixelated(shapely.Point(0, 0).buffer(6)))
    assert tank.status == "round"
    assert tank.iou > 0.97
    star = shapely.Polygon(
        [(np.cos(t) * r, np.sin(t) * r) for t, r in zip(np.linspace(0, 2 * np.pi, 11)[:-1], [9, 3.5] * 5, strict=True)]
    )
    odd = square_building(pixelated(star), SquareOptions(least_iou=0.95))
    assert odd.status == "simplified"
    assert odd.polygon.is_valid


@given(st.integers(0, 400))
@profile(max_examples=40)
def test_whatever_comes_in_a_valid_polygon_goes_out(seed: int) -> None:
    regions = trace((smooth_raster(seed, 60, 2) == 1).astype(np.uint8), skip=0)
    for raw in regions.polygons:
        found = square_building(affinity.scale(raw, 0.2, 0.2, origin=(0, 0)))
        assert found.polygon.is_valid
        assert not found.polygon.is_empty
        assert found.status in ("squared", "round", "simplified")
        assert 0 <= found.iou <= 1.0000001

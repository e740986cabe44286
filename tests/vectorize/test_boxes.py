"""Smallest boxes."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from shapes import rectangle

from geoseg.geometry.boxes import smallest_box


@given(st.floats(0.5, 30), st.floats(0.5, 30), st.floats(0, 180), st.integers(0, 100))
@profile(max_examples=60)
def test_the_smallest_box_of_a_box_is_that_box(length: float, width: float, angle: float, seed: int) -> None:
    box = rectangle(length, width, angle, 7.5, -3)
    noise = np.random.default_rng(seed).normal(0, 1e-4, (200, 2))  # edges of a tenth of a millimetre
    outline = shapely.segmentize(box, 0.5).exterior
    points = shapely.get_coordinates(outline)[:200]
    corner, a, b = smallest_box(shapely.MultiPoint(points + noise[: len(points)]))
    around = shapely.Polygon([corner, corner + a, corner + a + b, corner + b])
    assert np.hypot(*a) >= np.hypot(*b) > 0
    whole = shapely.MultiPoint(points)
    assert whole.within(around.buffer(0.01))
    assert around.area <= 1.02 * shapely.oriented_envelope(box).area + 0.01

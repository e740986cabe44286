"""Textures and styles of drawn scenes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from rasterio.windows import Window

from geoseg.scenes.light import halo
from geoseg.scenes.noise import fractal, grain
from geoseg.scenes.quarters import random_style

WHOLE = Window(-40, -30, 120, 100)


@profile(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 60), st.integers(1, 40), st.integers(0, 99))
def test_a_part_is_the_crop_of_the_whole(left, top, width, height, seed) -> None:
    """Textures hang on the place and the seed alone: tiles of a scene fit, and anybody can draw one."""
    part = Window(WHOLE.col_off + left, WHOLE.row_off + top, width, height)
    rows, cols = slice(top, top + height), slice(left, left + width)
    assert np.array_equal(grain(seed, part), grain(seed, WHOLE)[rows, cols])
    one, many = fractal(seed, part, cell=17.0, octaves=4), fractal(seed, WHOLE, cell=17.0, octaves=4)
    assert np.allclose(one, many[rows, cols], atol=1e-5)


def test_noise_has_no_mean_and_unit_deviation() -> None:
    for texture in (grain(3, Window(0, 0, 400, 400)), fractal(3, Window(0, 0, 400, 400), cell=8.0, octaves=5)):
        assert texture.dtype == np.float32
        assert abs(float(texture.mean())) < 0.15
        assert 0.5 < float(texture.std()) < 1.3
    assert not np.array_equal(grain(1, WHOLE), grain(2, WHOLE))


@pytest.mark.parametrize("seed", range(20))
def test_a_style_is_drawn_alike_and_its_shadows_fit_into_the_halo(seed) -> None:
    style, again = (random_style(np.random.default_rng(seed)) for _ in range(2))
    assert style == again
    assert halo(style, 0.1) * 0.1 >= 26 / np.tan(np.radians(style.sun_elevation))
    assert halo(style, 0.1) > halo(style, 0.5)

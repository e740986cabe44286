"""Long strips of a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.vectorize.strips import LineRule, on_long_lines


@given(arrays(bool, (23, 31)), st.integers(1, 25))
def test_only_passable_pixels_are_kept_and_longer_lines_are_fewer(mask, least) -> None:
    kept = on_long_lines(mask, mask, LineRule(least, 0, 1.0), 8)
    assert not (kept & ~mask).any()
    assert not (on_long_lines(mask, mask, LineRule(least + 5, 0, 1.0), 8) & ~kept).any()


@given(arrays(bool, (17, 17)))
def test_lines_of_one_pixel_keep_everything(mask) -> None:
    assert (on_long_lines(mask, mask, LineRule(1, 0, 1.0), 8) == mask).all()


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90, 110, 135, 160])
def test_a_strip_is_found_in_any_direction_and_a_court_is_not(degrees) -> None:
    y, x = np.mgrid[-60:60, -60:60]
    a = np.radians(degrees)
    along, across = x * np.cos(a) + y * np.sin(a), -x * np.sin(a) + y * np.cos(a)
    strip = (np.abs(across) < 4) & (np.abs(along) < 50)
    court = (np.abs(along) < 10) & (np.abs(across) < 10)
    assert on_long_lines(strip, strip, LineRule(60, 0, 1.0))[strip].mean() > 0.9
    assert not on_long_lines(court, court, LineRule(60, 0, 1.0)).any()


def test_a_gap_is_crossed_where_something_hangs_over_it_and_only_then() -> None:
    ground = np.ones((5, 100), bool)
    ground[:, 40:48] = False
    everything = np.ones_like(ground)
    assert on_long_lines(everything, ground, LineRule(90, 8, 0.8), 4)[:, 20:80].all()
    assert not on_long_lines(ground, ground, LineRule(90, 8, 0.8), 4)[:, 40:48].any()
    padded = np.pad(ground, 20), np.pad(everything, 20)
    assert on_long_lines(padded[1], padded[0], LineRule(90, 9, 0.8), 4)[22, 25:115].all()
    assert not on_long_lines(padded[1], padded[0], LineRule(90, 6, 0.8), 4).any()
    assert not on_long_lines(padded[1], padded[0], LineRule(90, 9, 0.95), 4).any()


def test_what_the_frame_cuts_needs_half_the_length() -> None:
    cut, inside = np.zeros((2, 9, 100), bool)
    cut[4, :40] = inside[4, 30:70] = True
    assert on_long_lines(cut, cut, LineRule(80, 0, 1.0), 4)[4, :40].all()
    assert not on_long_lines(inside, inside, LineRule(80, 0, 1.0), 4).any()

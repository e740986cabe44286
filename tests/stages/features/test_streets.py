"""Kinds of paved ground on the coarse raster."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from rasterio.windows import Window

from geoseg.classes import ISPRS
from geoseg.stages.features.streets import (
    CARRIAGEWAY,
    YARD,
    Streets,
    coarse_mean,
    coarse_step,
    cover_of,
    kinds_of,
    largest_kind,
)

corners = st.integers(-300, 300)


@profile(max_examples=50)
@given(corners, corners, st.integers(1, 70), st.integers(1, 70), st.integers(1, 6))
def test_a_coarse_pixel_is_the_mean_of_its_square_wherever_the_window_begins(col, row, width, height, step) -> None:
    raster = np.random.default_rng(2).integers(0, 200, (height, width)).astype(np.uint8)
    coarse = coarse_mean(raster, Window(col, row, width, height), step)
    first = row // step, col // step
    assert coarse.shape == (-(-(row + height) // step) - first[0], -(-(col + width) // step) - first[1])
    for r in range(coarse.shape[0]):
        for c in range(coarse.shape[1]):
            rows = np.clip(np.arange(step) + (first[0] + r) * step - row, 0, height - 1)
            cols = np.clip(np.arange(step) + (first[1] + c) * step - col, 0, width - 1)
            assert coarse[r, c] == pytest.approx(raster[np.ix_(rows, cols)].mean(), abs=1e-3)


@profile(max_examples=30)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(2, 5))
def test_kinds_of_a_part_are_a_crop_of_the_wholes(left, top, step) -> None:
    """Coarse pixels that lie whole in both windows are the same: they hang on the grid."""
    raster = np.random.default_rng(3).integers(0, 200, (90, 80)).astype(np.uint8)
    whole = coarse_mean(raster, Window(0, 0, 80, 90), step)
    part = coarse_mean(raster[top:, left:], Window(left, top, 80 - left, 90 - top), step)
    inner = slice(-(-top // step), 90 // step), slice(-(-left // step), 80 // step)
    shifted = part[inner[0].start - top // step :, inner[1].start - left // step :]
    high, wide = inner[0].stop - inner[0].start, inner[1].stop - inner[1].start
    assert np.array_equal(shifted[:high, :wide], whole[inner])


@pytest.mark.parametrize(("gsd", "step"), [(0.05, 5), (0.1, 2), (0.25, 1), (0.5, 1), (0.08, 3)])
def test_streets_are_looked_for_at_about_a_quarter_of_a_metre(gsd, step) -> None:
    assert coarse_step(gsd) == step
    assert largest_kind(0.25) == 240


def test_cover_is_ground_and_what_lies_over_it() -> None:
    clean = np.full((8, 8), 2, np.uint8)  # low vegetation
    clean[:, :4] = 0  # impervious surface
    clean[:2] = 4  # cars
    clean[6:] = 3  # trees
    cover = cover_of(clean, Window(0, 0, 8, 8), ISPRS, 2)
    assert cover.tolist() == [[2, 2, 2, 2], [1, 1, 0, 0], [1, 1, 0, 0], [2, 2, 2, 2]]


def test_a_long_strip_is_carriageway_and_a_square_is_a_yard() -> None:
    ground = np.zeros((400, 400), np.uint8)
    ground[100:128] = 1  # 7 m wide, 100 m long
    ground[200:340, 200:340] = 1  # 35 m x 35 m
    kinds = kinds_of(ground, 0.25)
    assert (kinds[104:124, 30:370] == CARRIAGEWAY).mean() > 0.97
    assert (kinds[210:330, 210:330] == YARD).all()
    assert (kinds[ground == 0] == 255).all()


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 5))
def test_a_coarse_pixel_knows_its_first_pixel_within_the_whole(row, col, step) -> None:
    streets = Streets(
        np.zeros((1, 1), np.uint8), Window(0, 0, 1, 1), (slice(0, 1),) * 2, (0, 0, 1, 1), (7, -3), step, 0.25
    )
    assert streets.pixel_on_grid(row, col) == (max(row * step, 7), max(col * step, -3))

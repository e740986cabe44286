"""A network over any region that can be read."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from plans import a_card
from rasterio.windows import Window

from geoseg.predict.lattice import snapped_ratio
from geoseg.predict.region import predict_region, region_backend, region_lattice

CARD = a_card(patch=64, overlap=32, margin=0, stride=16, mean=(0.0,) * 3, std=(1.0,) * 3)


class Truth(torch.nn.Module):
    """Scores that name the first band as class."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 8.0 * (torch.abs(x[:, :1] - torch.arange(6.0)[None, :, None, None]) < 0.5).float()


@profile(max_examples=12)
@given(st.integers(1, 100), st.integers(1, 100), st.integers(-40, 40), st.integers(-40, 40), st.integers(0, 99))
def test_the_truth_comes_back_from_any_region_and_nothing_outside_valid_data(width, height, col, row, seed) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 6, (3, 200, 200)).astype(np.uint8)
    good = rng.uniform(size=(200, 200)) < 0.9

    def read(w: Window):
        pixels, valid = np.zeros((3, w.height, w.width), np.uint8), np.zeros((w.height, w.width), bool)
        rows = np.arange(w.row_off, w.row_off + w.height) + 60
        cols = np.arange(w.col_off, w.col_off + w.width) + 60
        r, c = (rows >= 0) & (rows < 200), (cols >= 0) & (cols < 200)
        pixels[np.ix_(range(3), r, c)] = image[np.ix_(range(3), rows[r], cols[c])]
        valid[np.ix_(r, c)] = good[np.ix_(rows[r], cols[c])]
        return pixels, valid

    region = Window(col, row, width, height)
    out = np.full((2, height, width), 7, np.uint8)

    def take(window: Window, classes: np.ndarray, confidence: np.ndarray) -> None:
        rows = slice(window.row_off - row, window.row_off - row + window.height)
        out[0, rows], out[1, rows] = classes, confidence

    backend = region_backend(Truth(), CARD, Fraction(1))
    predict_region(read, region, region_lattice(CARD, Fraction(1)), backend, take)
    backend.close()
    part = slice(row + 60, row + 60 + height), slice(col + 60, col + 60 + width)
    assert np.array_equal(out[0], np.where(good[part], image[0][part], 255))
    assert ((out[1] == 255) == ~good[part]).all()


@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(1, 2), Fraction(2)])
def test_the_lattice_is_the_cards_in_pixels_of_the_source(ratio) -> None:
    lattice = region_lattice(CARD, ratio)
    assert (lattice.patch * ratio, lattice.overlap * ratio) == (64, 32)


def test_near_its_own_gsd_nothing_is_resampled() -> None:
    assert snapped_ratio(0.1, CARD) == snapped_ratio(0.114, CARD) == snapped_ratio(0.087, CARD) == 1
    assert snapped_ratio(0.2, CARD) == 2

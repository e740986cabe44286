"""Shares blurred before the arg-max."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.windows import Window
from scipy import ndimage

from geoseg.vectorize import smooth as smoothing
from geoseg.vectorize.smooth import smooth_classes

SHAPE = (90, 70)


def _shares(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = np.stack([ndimage.gaussian_filter(rng.standard_normal(SHAPE), 3) for _ in range(4)])
    shares = np.exp(6 * scores / scores.std())
    return np.rint(100 * shares / shares.sum(0)).astype(np.uint8)


def _read(shares: np.ndarray, window: Window):
    def read(part: Window) -> np.ndarray:
        padded = np.pad(shares, ((0, 0), (100, 100), (100, 100)))
        row, col = part.row_off - window.row_off + 100, part.col_off - window.col_off + 100
        return padded[:, row : row + part.height, col : col + part.width]

    return read


def test_it_is_the_blur_of_the_whole_however_many_rows_at_a_time(monkeypatch) -> None:
    shares, window = _shares(), Window(-7, 11, SHAPE[1], SHAPE[0])
    classes = np.zeros(SHAPE, np.uint8)
    classes[:9, :9] = 255
    whole = np.stack([ndimage.gaussian_filter(s.astype(np.float32), 2.0, mode="constant") for s in shares])
    expected = np.where(classes == 255, 255, np.array([3, 1, 2, 7])[whole.argmax(0)])
    for rows in (7, 64, 512):
        monkeypatch.setattr(smoothing, "ROWS", rows)
        found = smooth_classes(_read(shares, window), classes, window, [3, 1, 2, 7], 2.0)
        assert np.array_equal(found, expected)


def test_a_wobbly_edge_gets_straighter_and_stays_in_its_place() -> None:
    rng = np.random.default_rng(1)
    edge = 35 + ndimage.gaussian_filter(rng.standard_normal(SHAPE[0]), 1) * 3
    left = np.arange(SHAPE[1])[None] < edge[:, None]
    shares = np.stack([np.where(left, 90, 10), np.where(left, 10, 90)]).astype(np.uint8)
    window = Window(0, 0, SHAPE[1], SHAPE[0])
    found = smooth_classes(_read(shares, window), np.zeros(SHAPE, np.uint8), window, [0, 1], 3.0)
    inner = slice(15, -15)
    before, after = left.sum(1)[inner], (found == 0).sum(1)[inner]
    assert after.std() < 0.7 * before.std()
    assert after.mean() == pytest.approx(before.mean(), abs=0.7)

"""Blending kernels."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import lattices

from geoseg.predict.blend import Strip, cut
from geoseg.predict.weights import blend_weights


@given(lattices(), st.integers(-300, 300), st.integers(1, 200))
def test_weights_add_to_one_everywhere(lattice, first, length):
    total = np.zeros(length)
    weights = blend_weights(lattice)
    for k in lattice.touching(first, first + length):
        start = lattice.start(k)
        for i in range(max(start, first), min(start + lattice.patch, first + length)):
            total[i - first] += weights[i - start]
    assert np.allclose(total, 1, atol=1e-5)
    assert (weights >= 0).all()


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(1, 40), st.integers(1, 60), st.integers(0, 2**32 - 1), st.floats(0.3, 3))
def test_finish_is_argmax_and_softmax(classes, rows, width, seed, temperature):
    rng = np.random.default_rng(seed)
    strip = Strip(tuple(range(classes)), np.ones(rows, np.float32), 0, width, temperature)
    scores = rng.normal(0, 6, (classes, rows, rows)).astype(np.float32)
    if width > rows:
        scores = rng.normal(0, 6, (classes, rows, rows)).astype(np.float32)
    strip.add(scores, 0)
    sums = strip.sums.astype(float).copy()
    shares = strip.shares(rows)
    label, confidence = strip.finish(np.ones((rows, width), bool))
    soft = np.exp(sums / temperature - (sums / temperature).max(0))
    soft /= soft.sum(0)
    assert np.array_equal(label, sums.argmax(0))
    assert np.abs(confidence - 100 * soft.max(0)).max() <= 0.501
    assert np.abs(shares - 100 * soft).max() <= 0.501
    assert not strip.sums.any()


@given(st.integers(0, 2**32 - 1), st.integers(3, 20), st.integers(-5, 5))
def test_a_pixel_does_not_know_where_it_lies_in_an_array(seed, side, shift):
    """The same patch added at another column of a wider strip gives the same bits."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1, side).astype(np.float32)
    scores = rng.normal(0, 5, (5, side, side)).astype(np.float32)
    results = []
    for width, col in ((40, 8), (57, 15 + shift)):
        strip = Strip((0, 1, 2, 3, 4), weights, 0, width, 0.7)
        strip.add(scores, col)
        strip.add(scores[:, ::-1].copy(), col)
        results.append([a[:, col : col + side] for a in strip.finish(np.ones((side, width), bool))])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_cut_standardises_and_fills_with_the_mean():
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16, np.int16, np.float32):
        image = rng.integers(0, 200, (2, 5, 9)).astype(dtype)
        valid = rng.uniform(size=(5, 9)) < 0.7
        mean, std = np.array([50, 60], np.float32), np.array([7, 9], np.float32)
        out = np.empty((2, 5, 5), np.float32)
        cut(image, valid, (0, 3), (mean, (1 / std).astype(np.float32)), out)
        expected = np.where(valid[:, 3:8], (image[:, :, 3:8] - mean[:, None, None]) / std[:, None, None], 0)
        assert np.allclose(out, expected, atol=1e-5)

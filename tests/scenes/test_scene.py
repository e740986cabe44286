"""Drawn scenes."""

from __future__ import annotations

import numpy as np

from geoseg.scenes.scene import Scene


def test_a_part_of_a_scene_is_the_crop_of_the_whole():
    scene = Scene(31, 30, 24, 0.2)
    whole, part = scene.tile(0, 0, 120, 150), scene.tile(37, 61, 50, 40)
    rows, cols = slice(37, 87), slice(61, 101)
    assert np.array_equal(part.labels, whole.labels[rows, cols])
    assert np.abs(part.image.astype(int) - whole.image[rows, cols]).max() <= 1
    assert np.abs(part.height - whole.height[rows, cols]).max() < 1e-3


def test_class_shares_are_like_potsdams():
    """29.6 / 25.7 / 22.6 / 15.5 / 1.8 / 4.8 per cent, over a few scenes, roughly."""
    counts = sum(
        np.bincount(Scene(s, 200, 200, 0.5).labels(0, 0, 400, 400).ravel(), minlength=6) for s in range(100, 112)
    )
    shares = 100 * counts / counts.sum()
    assert np.abs(shares - [29.6, 25.7, 22.6, 15.5, 1.8, 4.8]).max() < 6

"""Drawn scenes."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from geoseg.scenes.objects import Building
from geoseg.scenes.quarters import POTSDAM_LIKE, QUARTERS, SOUTHERN, random_style
from geoseg.scenes.scene import Scene


@pytest.mark.parametrize("quarter", ["", *sorted(set(QUARTERS) - set(POTSDAM_LIKE))])
def test_a_part_of_a_scene_is_the_crop_of_the_whole(quarter: str):
    scene = Scene(31, 30, 24, 0.2, random_style(np.random.default_rng(4), quarter) if quarter else None)
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


@pytest.mark.parametrize("quarter", SOUTHERN)
def test_southern_towns_have_what_potsdam_lacks(quarter: str):
    """Metal roofs, terraces and unpaved streets; in the old town most houses touch another one."""
    style = random_style(np.random.default_rng(6), quarter)
    layouts = [Scene(seed, 90, 90, 0.5, style).layout for seed in range(5)]
    covers = {b.cover for one in layouts for b in one.buildings}
    assert covers == {"", "metal", "terrace"}
    assert {s.earth for one in layouts for s in one.streets} == {True, False}
    if quarter == "old town":
        stack = [s for v, t, s in Scene(0, 90, 90, 0.5, style).stack if isinstance(t, Building)]
        tree = shapely.STRtree(stack)
        touching = [len(tree.query(s.buffer(0.2), predicate="intersects")) > 1 for s in stack]
        assert np.mean(touching) > 0.5

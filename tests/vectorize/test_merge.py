"""Small regions go to their neighbours."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from strategies import blobs, rasters

from geoseg.vectorize.labels import label_regions
from geoseg.vectorize.merge import merge_small


@given(st.integers(0, 10_000), st.integers(3, 40), st.sampled_from([1, 4, 9]))
@profile(max_examples=40)
def test_what_goes_on_beyond_a_side_is_not_small(seed: int, cut: int, least: int) -> None:
    """Of a part of a raster only what does not reach its cut side is merged, as it would be in the whole."""
    raster = blobs(seed, 30, 44, 1.0)
    limits = dict.fromkeys(range(3), least)
    part = raster[:, :cut]
    merged = merge_small(part, limits, skip=255, goes_on=(False, False, False, True))
    labels, _ = label_regions(part)
    at_cut = np.isin(labels, np.unique(labels[:, -1]))
    sizes = np.bincount(labels.ravel())[labels]
    untouched = at_cut | (sizes >= least) | (part == 255)
    assert np.array_equal(merged[untouched], part[untouched])


@given(rasters, st.integers(1, 9))
@profile(max_examples=60)
def test_no_small_region_is_left(raster: np.ndarray, least: int) -> None:
    clean = merge_small(raster, dict.fromkeys(range(5), least), skip=255)
    labels, pixels = label_regions(clean)
    sizes = pixels[np.unique(labels)]
    assert sizes.min() >= least or len(sizes) == 1
    if least == 1:
        assert np.array_equal(clean, raster)


@given(rasters, st.integers(2, 9))
@profile(max_examples=40)
def test_large_regions_and_no_data_keep_their_pixels(raster: np.ndarray, least: int) -> None:
    raster = np.where(raster == 1, 255, raster).astype(np.uint8)
    clean = merge_small(raster, dict.fromkeys(range(5), least), skip=255)
    assert np.array_equal(clean == 255, raster == 255)
    labels, pixels = label_regions(raster)
    large = pixels[labels] >= least
    assert np.array_equal(clean[large], raster[large])


def test_small_regions_go_to_the_longest_edge() -> None:
    raster = np.zeros((9, 9), np.uint8)
    raster[:, 5:] = 1
    raster[3:6, 4:6] = 2  # 3 + 2 edges with class 0 and 3 + 2 with 1, shifted so that one side is longer
    raster[3:6, 3] = 2
    clean = merge_small(raster, {2: 20}, skip=255)
    assert set(np.unique(clean)) == {0, 1}
    assert (clean[3:6, 3:5] == 0).all()


def test_small_regions_as_if_one_had_painted_them_one_by_one() -> None:
    """Against an oracle that looks for the smallest region of the raster as it is, paints it, and looks again."""
    rng = np.random.default_rng(4)
    for _ in range(60):
        high, wide = rng.integers(1, 13, 2)
        raster = rng.integers(0, rng.integers(2, 6), (high, wide)).astype(np.uint8)
        raster[raster == 4] = 255
        least = {v: int(rng.integers(0, 12)) for v in range(4)}
        assert np.array_equal(merge_small(raster, least, skip=255), _painted_one_by_one(raster, least))


def _painted_one_by_one(raster: np.ndarray, least: dict[int, int]) -> np.ndarray:
    raster = raster.copy()
    while True:
        labels, pixels = label_regions(raster)
        value = dict(zip(labels.ravel().tolist(), raster.ravel().tolist(), strict=True))
        edges: dict[int, dict[int, int]] = {i: {} for i in value}
        for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
            for i, j in zip(a[a != b].tolist(), b[a != b].tolist(), strict=True):
                edges[i][j] = edges[j][i] = edges[i].get(j, 0) + 1
        able = {i: {j: n for j, n in edges[i].items() if value[j] != 255} for i in value if value[i] != 255}
        small = [(int(pixels[i]), i) for i, around in able.items() if around and pixels[i] < least.get(value[i], 0)]
        if not small:
            return raster
        _, smallest = min(small)
        taker = min(able[smallest], key=lambda j: (-able[smallest][j], j))
        raster[labels == smallest] = value[taker]

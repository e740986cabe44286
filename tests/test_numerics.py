"""Laws of the arithmetic: lattice, blending kernels, grid, tracing, ground."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.errors import UsageError
from geoseg.geometry.blocks import block_window, blocks_of, panels_of
from geoseg.geometry.grid import Grid, bounding, grown, overlap, slices
from geoseg.geometry.ground import area_factors, metres_per_unit
from geoseg.geometry.lattice import Lattice
from geoseg.geometry.sectors import districts_of
from geoseg.predict.blend import Strip, cut
from geoseg.vectorize.join import join
from geoseg.vectorize.trace import trace

UTM = CRS.from_epsg(25833).to_wkt()


@st.composite
def lattices(draw):
    patch = draw(st.integers(2, 80))
    over = draw(st.integers(0, patch - 1))
    margin = draw(st.integers(0, max(0, (over - 1) // 2)))
    return Lattice(patch, over, margin)


@given(lattices(), st.integers(-300, 300), st.integers(1, 200))
def test_weights_add_to_one_everywhere(lattice, first, length):
    total = np.zeros(length)
    weights = lattice.weights()
    for k in lattice.touching(first, first + length):
        start = lattice.start(k)
        for i in range(max(start, first), min(start + lattice.patch, first + length)):
            total[i - first] += weights[i - start]
    assert np.allclose(total, 1, atol=1e-5)
    assert (weights >= 0).all()


@given(lattices(), st.integers(-300, 300), st.integers(1, 200))
def test_exactly_the_patches_with_weight_are_touching(lattice, first, length):
    inner = lattice.patch - 2 * lattice.margin
    expected = [
        k for k in range(-700, 700) if k * lattice.stride < first + length and k * lattice.stride + inner > first
    ]
    assert list(lattice.touching(first, first + length)) == expected


@pytest.mark.parametrize(("patch", "over", "margin"), [(0, 0, 0), (8, 8, 0), (8, -1, 0), (8, 4, 2), (8, 4, -1)])
def test_impossible_lattices_are_refused(patch, over, margin):
    with pytest.raises(UsageError):
        Lattice(patch, over, margin)


windows = st.builds(Window, st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 60), st.integers(1, 60))


@given(windows, windows)
def test_overlap_is_what_both_hold(a, b):
    both = overlap(a, b)
    cells = {(r, c) for r in range(a.row_off, a.row_off + a.height) for c in range(a.col_off, a.col_off + a.width)}
    cells &= {(r, c) for r in range(b.row_off, b.row_off + b.height) for c in range(b.col_off, b.col_off + b.width)}
    assert (0 if both is None else both.width * both.height) == len(cells)
    whole = bounding([a, b])
    assert overlap(whole, a) == a
    rows, cols = slices(a, grown(a, 3))
    assert (rows.start, cols.stop - cols.start) == (3, a.width)


@given(st.lists(windows, min_size=1, max_size=5), st.integers(4, 30))
def test_blocks_cover_all_windows_and_no_more(found, size):
    blocks = blocks_of(found, size)
    assert all(any(overlap(block_window(b, size), w) for w in found) for b in blocks)
    for w in found:
        parts = [overlap(block_window(b, size), w) for b in blocks]
        assert sum(p.width * p.height for p in parts if p) == w.width * w.height


@given(st.sets(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=1), st.integers(1, 5))
def test_panels_hold_each_block_once(blocks, widest):
    panels = panels_of(blocks, 10, widest)
    assert all(p.col1 - p.col0 <= widest for p in panels)
    assert sorted(b for p in panels for b in p.blocks) == sorted(blocks)
    assert all(p.row0 <= r < p.row1 and p.col0 <= c < p.col1 for p in panels for r, c in p.blocks)


def test_blocks_far_apart_make_narrow_panels():
    panels = panels_of([(0, 0), (1, 0), (1, 1), (2, 2), (0, 7)], 10, 99)
    assert [p.blocks for p in panels] == [((0, 0), (1, 0), (1, 1)), ((0, 7),), ((2, 2),)]
    assert max(p.window.width for p in panels) == 20


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.01, 10), windows)
def test_a_sheet_cut_out_of_the_grid_is_found_there(x, y, pixel, window):
    grid = Grid(UTM, x, y, pixel)
    assert grid.place(grid.window_transform(window), window.width, window.height, UTM) == window
    assert grid.covering(*grid.bounds(window)) == window


def test_half_a_pixel_off_or_turned_is_not_on_the_grid():
    grid = Grid(UTM, 0, 0, 1)
    assert grid.place(Affine(1, 0, 0.5, 0, -1, 0), 5, 5, UTM) is None
    assert grid.place(Affine(1, 0.1, 0, 0.1, -1, 0), 5, 5, UTM) is None
    assert grid.place(Affine(1.001, 0, 0, 0, -1.001, 0), 5000, 5000, UTM) is None
    assert grid.place(Affine(1, 0, 3 + 1e-7, 0, -1, -4), 5, 5, UTM) == Window(3, 4, 5, 5)
    assert grid.place(Affine(1, 0, 0, 0, -1, 0), 5, 5, CRS.from_epsg(25832).to_wkt()) is None


def test_ground_metres():
    assert metres_per_unit(UTM, 367_000, 5_807_000) == pytest.approx(1, abs=1e-3)
    mercator = CRS.from_epsg(3857).to_wkt()
    assert area_factors(mercator, 1_455_000, 6_870_000)[0] == pytest.approx(1 / 2.7, rel=0.02)  # Potsdam
    assert area_factors(mercator, 9_519_391, 3_203_475)[0] == pytest.approx(1 / 1.27, rel=0.02)  # Kathmandu valley
    feet = CRS.from_epsg(2229).to_wkt()  # California zone 5, US survey feet
    assert metres_per_unit(feet, 6_480_000, 1_850_000) == pytest.approx(0.3048, rel=1e-3)


# --- blending


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
        cut(image, valid, 0, 3, mean, (1 / std).astype(np.float32), out)
        expected = np.where(valid[:, 3:8], (image[:, :, 3:8] - mean[:, None, None]) / std[:, None, None], 0)
        assert np.allclose(out, expected, atol=1e-5)


# --- tracing


def gdal_polygons(raster, skip=None):
    found = rasterio.features.shapes(raster, connectivity=4)
    return sorted((int(v), shapely.normalize(shapely.geometry.shape(g)).wkb) for g, v in found if v != skip)


def our_polygons(regions):
    return sorted((int(v), shapely.normalize(p).wkb) for v, p in zip(regions.values, regions.polygons, strict=True))


rasters = st.builds(
    lambda h, w, k, seed: np.random.default_rng(seed).integers(0, k, (h, w)).astype(np.uint8),
    st.integers(1, 24), st.integers(1, 24), st.integers(1, 5), st.integers(0, 2**32 - 1),
)  # fmt: skip


@settings(max_examples=300)
@given(rasters)
def test_polygons_are_gdals(raster):
    regions = trace(raster, np.ones_like(raster))
    assert our_polygons(regions) == gdal_polygons(raster)
    assert all(p.is_valid for p in regions.polygons)
    assert np.array_equal([p.area for p in regions.polygons], regions.pixels)
    assert np.array_equal(regions.pixels, regions.weight)


def spiral(n):
    """One winding line of ones, one pixel apart from itself."""
    out = np.zeros((n, n), np.uint8)
    low, high = 0, n - 1
    while low <= high:
        out[low, low : high + 1] = out[low : high + 1, high] = out[high, low : high + 1] = 1
        out[low + 2 : high + 1, low] = 1
        out[low + 2, low : low + 2] = 1
        low, high = low + 2, high - 2
    return out


@pytest.mark.parametrize(
    "raster",
    [
        np.indices((31, 30)).sum(0) % 2,
        spiral(25),
        np.pad(np.pad(np.pad(np.ones((1, 1)), 2), 2, constant_values=1), 3),
        np.repeat(np.arange(20)[None] % 2, 9, 0),
        np.eye(40),
        np.zeros((1, 1)),
        np.zeros((3, 50)),
    ],
    ids=["checkerboard", "spiral", "holes in holes", "lines", "diagonal", "one pixel", "one region"],
)
def test_adversarial_rasters(raster):
    raster = raster.astype(np.uint8)
    assert our_polygons(trace(raster)) == gdal_polygons(raster)


@settings(max_examples=150)
@given(st.integers(2, 7), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_blocks_joined_equal_the_whole(size, rows, cols, values, seed):
    rng = np.random.default_rng(seed)
    raster = rng.integers(0, values, (size * rows, size * cols)).astype(np.uint8)
    weights = rng.integers(0, 100, raster.shape).astype(np.uint8)

    def part(r, c):
        where = (slice(r * size, (r + 1) * size), slice(c * size, (c + 1) * size))
        return (r, c), trace(raster[where], weights[where], skip=1)

    joined = join((part(r, c) for r in range(rows) for c in range(cols)), size)
    whole = trace(raster, weights, skip=1)
    order = np.lexsort((whole.first[:, 1], whole.first[:, 0]))
    assert np.array_equal(joined.first, whole.first[order])
    assert np.array_equal(joined.pixels, whole.pixels[order])
    assert np.array_equal(joined.weight, whole.weight[order])
    ours, theirs = (shapely.to_wkb(shapely.normalize(p)).tolist() for p in (joined.polygons, whole.polygons[order]))
    assert ours == theirs


@given(st.lists(windows, min_size=1, max_size=7), st.integers(0, 40))
def test_districts_are_far_from_each_other_and_hold_every_sheet_once(found, apart):
    groups = districts_of(found, apart)
    assert sorted(i for g in groups for i in g) == list(range(len(found)))
    assert [g[0] for g in groups] == sorted(g[0] for g in groups)

    def gap(a, b):
        x = max(a.col_off - b.col_off - b.width, b.col_off - a.col_off - a.width, 0)
        y = max(a.row_off - b.row_off - b.height, b.row_off - a.row_off - a.height, 0)
        return math.hypot(x, y)

    for g, h in itertools.combinations(groups, 2):
        assert all(gap(found[i], found[j]) > apart for i in g for j in h)
    for g in groups:
        reached, left = {g[0]}, set(g[1:])
        while near := {j for j in left if any(gap(found[i], found[j]) <= apart for i in reached)}:
            reached, left = reached | near, left - near
        assert not left

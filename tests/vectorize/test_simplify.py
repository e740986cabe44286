"""Coverages simplified without gap or overlap."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from shapes import assert_clean
from strategies import rasters, smooth_raster

from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.simplify import exact_coverage, simplify
from geoseg.vectorize.trace import trace_rings


@given(rasters)
@profile(max_examples=60)
def test_noded_outlines_are_a_valid_coverage(raster: np.ndarray) -> None:
    rings = trace_rings(raster)
    exact = exact_coverage(rings, raster)
    assert shapely.coverage_is_valid(exact)
    assert shapely.area(exact).sum() == raster.size
    assert np.array_equal(shapely.area(exact), shapely.area(rings.polygons()))
    assert np.array_equal(shapely.area(exact), rings.pixels)


@given(rasters, st.sampled_from([1.0, 3.0, 30.0]))
@profile(max_examples=80)
def test_simplified_noise_has_no_gap_and_no_overlap(raster: np.ndarray, tolerance: float) -> None:
    """Noise is the worst there is: nodes everywhere, holes in holes, corners that touch."""
    assert_clean(simplify(trace_rings(raster), raster, tolerance), raster.size)


@given(st.integers(0, 500), st.sampled_from([0.0, 2.0, 5.0, 12.0]))
@profile(max_examples=25)
def test_simplified_coverage_has_no_gap_and_no_overlap(seed: int, tolerance: float) -> None:
    raster = merge_small(smooth_raster(seed, 90), dict.fromkeys(range(5), 12), skip=255)
    rings = trace_rings(raster)
    simple = simplify(rings, raster, tolerance)
    assert_clean(simple, raster.size)
    if tolerance:
        assert shapely.get_num_coordinates(simple).sum() < 0.5 * len(noded_points(rings, raster))


def noded_points(rings, raster: np.ndarray) -> np.ndarray:
    return shapely.get_coordinates(exact_coverage(rings, raster))


@given(rasters, st.integers(0, 9))
@profile(max_examples=40)
def test_polygons_simplified_alone_are_those_of_the_whole(raster: np.ndarray, pick: int) -> None:
    """Each by itself, in any order: the same bytes as all at once. This is what lets a raster be done in parts."""
    rings = trace_rings(raster)
    together = simplify(rings, raster, 3.0)
    i = pick % len(rings)
    alone = simplify(rings.chosen(np.array([i]), rings.values), raster, 3.0)[0]
    assert shapely.to_wkb(alone) == shapely.to_wkb(together[i])


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 40))
@profile(max_examples=30)
def test_simplified_polygons_do_not_hang_on_the_rest_of_the_raster(seed: int, up: int, left: int) -> None:
    """Polygons that do not reach a cut are the same in a crop, corner by corner: pieces give the bytes of the whole."""
    raster = smooth_raster(seed, 120)
    whole, part = trace_rings(raster), trace_rings(raster[up:, left:])
    polygons = simplify(whole, raster, 5.0)
    cut = (
        {
            tuple(f): p
            for f, p in zip(
                np.add(part.first, [up, left]).tolist(), simplify(part, raster[up:, left:], 5.0), strict=True
            )
        }
        if len(part)
        else {}
    )
    inside = np.flatnonzero((shapely.bounds(whole.polygons())[:, :2] > [left + 1, up + 1]).all(1))
    neighbours = shapely.STRtree(whole.polygons())
    for i in inside:
        near = neighbours.query(whole.polygons()[i], predicate="intersects")
        if (shapely.bounds(whole.polygons()[near])[:, :2] > [left, up]).all():
            moved = shapely.transform(cut[tuple(whole.first[i].tolist())], lambda xy: np.add(xy, [left, up]))
            assert shapely.to_wkb(moved) == shapely.to_wkb(polygons[i])

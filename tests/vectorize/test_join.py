"""Blocks joined."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.vectorize.join import join
from geoseg.vectorize.trace import trace


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

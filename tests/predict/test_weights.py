"""The sums of the weights of kept patches."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window
from strategies import lattices, windows

from geoseg.geometry.footprint import kept_patches
from geoseg.predict.weights import KeptWeights, blend_weights

sheets = st.lists(windows, min_size=1, max_size=4)


def _kept(lattice, found, panel) -> KeptWeights:
    rows = lattice.touching(panel.row_off, panel.row_off + panel.height)
    cols = lattice.touching(panel.col_off, panel.col_off + panel.width)
    return KeptWeights(lattice, kept_patches(lattice, found, rows, cols), rows, cols, panel.col_off, panel.width)


def _sums(weights: KeptWeights, panel: Window) -> np.ndarray:
    """The sums of all pixels of a panel."""
    stride = weights.lattice.stride
    out = np.ones((panel.height, panel.width), np.float32)
    for k in weights.rows:
        for left, found in weights.sums(k):
            for y in range(stride):
                row = k * stride + y - panel.row_off
                if 0 <= row < panel.height:
                    out[row, left : left + found.shape[1]] = found[y]
    return out


@given(lattices(), sheets, windows)
def test_sums_are_those_of_the_kept_weights_where_a_patch_was_left_out(lattice, found, panel) -> None:
    weights = _kept(lattice, found, panel)
    inside = blend_weights(lattice)[lattice.margin : lattice.patch - lattice.margin].astype(float)
    total, gap = np.zeros((panel.height, panel.width)), np.zeros((panel.height, panel.width), bool)
    for i, k in enumerate(weights.rows):
        for n, j in enumerate(weights.cols):
            ys = np.arange(panel.height) + panel.row_off - k * lattice.stride
            xs = np.arange(panel.width) + panel.col_off - j * lattice.stride
            y, x = np.meshgrid(ys, xs, indexing="ij")
            here = (y >= 0) & (y < len(inside)) & (x >= 0) & (x < len(inside))
            part = np.where(here, inside[np.clip(y, 0, len(inside) - 1)] * inside[np.clip(x, 0, len(inside) - 1)], 0)
            if weights.kept[i, n]:
                total += part
            else:
                gap |= here
    expected = np.where(gap & (total > 0), total, 1)
    assert np.allclose(_sums(weights, panel), expected, rtol=1e-4, atol=1e-9)


@given(lattices(), sheets, windows, st.integers(0, 30), st.integers(0, 30))
def test_a_pixels_sum_does_not_depend_on_the_panel(lattice, found, panel, down, right) -> None:
    y, x = min(down, panel.height - 1), min(right, panel.width - 1)
    part = Window(panel.col_off + x, panel.row_off + y, panel.width - x, panel.height - y)
    whole = _sums(_kept(lattice, found, panel), panel)
    assert np.array_equal(_sums(_kept(lattice, found, part), part), whole[y:, x:])

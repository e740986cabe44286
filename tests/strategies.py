"""Windows, class rasters and the like, as Hypothesis draws them; nothing heavy."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from rasterio.windows import Window

from geoseg.geometry.lattice import Lattice

windows = st.builds(Window, st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 60), st.integers(1, 60))

rasters = st.builds(
    lambda seed, high, wide, classes: np.random.default_rng(seed).integers(0, classes, (high, wide)).astype(np.uint8),
    st.integers(0, 10_000),
    st.integers(2, 24),
    st.integers(2, 24),
    st.integers(2, 5),
)


@st.composite
def lattices(draw: st.DrawFn) -> Lattice:
    patch = draw(st.integers(2, 80))
    over = draw(st.integers(0, patch - 1))
    margin = draw(st.integers(0, max(0, (over - 1) // 2)))
    return Lattice(patch, over, margin)


def _fields(seed: int, high: int, wide: int, scale: float, count: int) -> np.ndarray:
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    return np.stack([ndimage.gaussian_filter(rng.standard_normal((high, wide)), scale) for _ in range(count)])


def smooth_raster(seed: int, side: int, classes: int = 5) -> np.ndarray:
    """Classes in smooth patches."""
    return _fields(seed, side, side, 5, classes).argmax(0).astype(np.uint8)


def blobs(seed: int, high: int, wide: int, scale: float) -> np.ndarray:
    """Classes 0 to 2, some of it without data."""
    return np.array([0, 1, 2, 255], np.uint8)[_fields(seed, high, wide, scale, 4).argmax(0)]

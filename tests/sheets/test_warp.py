"""Warping by chunks."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from plans import GRID, UTM, a_header, a_sheet
from rasterio.windows import Window
from support import PLACE, moved

from geoseg.geometry.grid import overlap
from geoseg.sheets.warp import CHUNK, SheetPixels, chunks_of, source_part, warp


@given(st.integers(-2000, 2000), st.integers(-2000, 2000), st.integers(1, 1500), st.integers(1, 1500))
def test_chunks_are_anchored_and_cover_a_window_once(col, row, width, height) -> None:
    window = Window(col, row, width, height)
    chunks = list(chunks_of(window))
    assert len({(c.col_off, c.row_off) for c in chunks}) == len(chunks)
    assert all((c.col_off % CHUNK, c.row_off % CHUNK, c.width, c.height) == (0, 0, CHUNK, CHUNK) for c in chunks)
    shared = [overlap(c, window) for c in chunks]
    assert all(shared)
    assert sum(p.width * p.height for p in shared) == width * height


def _warped(pixels: np.ndarray, valid: np.ndarray, place: Affine, chunk: Window):
    return warp(SheetPixels(pixels, valid, place, UTM), GRID, chunk)


def test_what_lies_on_the_grid_comes_through_unchanged() -> None:
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 255, (2, 40, 50)).astype(np.uint8)
    out, good = _warped(pixels, np.ones((40, 50), bool), moved(PLACE, 7, 9), Window(0, 0, 64, 64))
    assert np.array_equal(out[:, 9:49, 7:57], pixels)
    assert good.sum() == 40 * 50
    assert not out[:, ~good].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_no_border_bleeds_in(dtype) -> None:
    """A flat photo beside no data stays flat up to its last valid pixel, whatever lies under the no data."""
    pixels = np.full((1, 60, 60), 100, dtype)
    valid = np.ones((60, 60), bool)
    valid[:, 30:] = False
    pixels[:, ~valid] = 7
    out, good = _warped(pixels, valid, PLACE @ Affine.rotation(11), Window(0, 0, 64, 64))
    assert out.dtype == dtype
    assert good.sum() > 1000
    assert np.allclose(out[0][good], 100, atol=1e-3)
    assert not out[0][~good].any()


@given(st.floats(0, 90), st.integers(0, 3), st.integers(0, 3))
def test_the_part_of_a_sheet_that_a_chunk_needs_is_all_that_it_needs(angle, col, row) -> None:
    """Warped from that part or from the whole: the same pixels, but for a few levels at the sheet's rim."""
    y, x = np.mgrid[:280, :300]
    place = PLACE @ Affine.rotation(angle)
    sheet = a_sheet(header=a_header(300, 280, place), mode="warped")
    pixels, valid = (120 + 50 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint8)[None], np.ones((280, 300), bool)
    chunk = Window(64 * col - 128, 64 * row, 64, 64)
    whole, good = _warped(pixels, valid, place, chunk)
    part = source_part(sheet, GRID, chunk)
    if part is None:
        assert not good.any()
        return
    rows, cols = part
    crop = place @ Affine.translation(cols.start, rows.start)
    out, seen = _warped(pixels[:, rows, cols], valid[rows, cols], crop, chunk)
    assert np.array_equal(seen, good)
    assert np.abs(out.astype(int) - whole).max() <= 3

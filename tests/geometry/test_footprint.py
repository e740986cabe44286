"""Which patches are kept, against the plain definition over pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window
from strategies import lattices, windows

from geoseg.geometry.footprint import footprint_reach, kept_patches
from geoseg.geometry.grid import overlap
from geoseg.geometry.lattice import Lattice

sheets = st.lists(windows, min_size=1, max_size=5)


def _support(lattice: Lattice, row: int, col: int) -> Window:
    inner = lattice.patch - 2 * lattice.margin
    return Window(col * lattice.stride, row * lattice.stride, inner, inner)


def _share(lattice: Lattice, union: set, row: int, col: int) -> frozenset:
    w = _support(lattice, row, col)
    ys = range(w.row_off, w.row_off + w.height)
    xs = range(w.col_off, w.col_off + w.width)
    return frozenset((y, x) for y, x in union if y in ys and x in xs)


def _defined(lattice: Lattice, found: list[Window], rows: range, cols: range) -> np.ndarray:
    """The definition word by word, over sets of pixels."""
    union = {
        (y, x)
        for w in found
        for y in range(w.row_off, w.row_off + w.height)
        for x in range(w.col_off, w.col_off + w.width)
    }
    near = {
        (r, c): _share(lattice, union, r, c)
        for r in range(rows.start - 1, rows.stop + 1)
        for c in range(cols.start - 1, cols.stop + 1)
    }

    def lies_in(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return near[a] <= _share(lattice, set(near[a]), *b)

    kept = np.zeros((len(rows), len(cols)), bool)
    for i, r in enumerate(rows):
        for j, c in enumerate(cols):
            others = [(r + down, c + right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
            kept[i, j] = bool(near[r, c]) and not any(
                lies_in((r, c), o) and (o < (r, c) or not lies_in(o, (r, c))) for o in others
            )
    return kept


small = st.builds(Window, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 14), st.integers(1, 14))
small_lattices = st.builds(Lattice, st.just(8), st.integers(0, 6)) | st.builds(
    Lattice, st.just(9), st.just(5), st.just(1)
)


@given(small_lattices, st.lists(small, min_size=1, max_size=3), st.integers(-3, 2), st.integers(-3, 2))
def test_kept_is_what_its_definition_says(lattice, found, row, col) -> None:
    rows, cols = range(row, row + 2), range(col, col + 2)
    assert np.array_equal(kept_patches(lattice, found, rows, cols), _defined(lattice, found, rows, cols))


@given(lattices(), sheets)
def test_every_pixel_of_a_sheet_lies_in_a_kept_patch(lattice, found) -> None:
    left, top = min(w.col_off for w in found), min(w.row_off for w in found)
    right, bottom = max(w.col_off + w.width for w in found), max(w.row_off + w.height for w in found)
    rows, cols = lattice.touching(top, bottom), lattice.touching(left, right)
    kept = kept_patches(lattice, found, rows, cols)
    seen = np.zeros((bottom - top, right - left), bool)
    for i, j in np.argwhere(kept):
        w = _support(lattice, rows[i], cols[j])
        seen[
            max(0, w.row_off - top) : w.row_off + w.height - top, max(0, w.col_off - left) : w.col_off + w.width - left
        ] = 1
    for w in found:
        assert seen[w.row_off - top :, w.col_off - left :][: w.height, : w.width].all()


@given(lattices(), sheets, st.integers(-4, 3), st.integers(-4, 3))
def test_a_part_of_the_lattice_is_the_part_of_the_whole_and_needs_no_sheets_beyond_its_reach(lattice, found, row, col):
    whole = kept_patches(lattice, found, range(-6, 7), range(-6, 7))
    rows, cols = range(row, row + 3), range(col, col + 2)
    reach = footprint_reach(lattice, rows, cols)
    part = kept_patches(lattice, [w for w in found if overlap(w, reach)], rows, cols)
    assert np.array_equal(part, whole[row + 6 : row + 9, col + 6 : col + 8])


@given(lattices(), windows, st.integers(1, 30), st.integers(1, 30))
def test_a_sheet_cut_in_four_keeps_the_same_patches(lattice, sheet, down, right) -> None:
    y, x = min(down, sheet.height - 1), min(right, sheet.width - 1)
    parts = [
        Window(sheet.col_off + x0, sheet.row_off + y0, x1 - x0, y1 - y0)
        for y0, y1 in ((0, y), (y, sheet.height))
        for x0, x1 in ((0, x), (x, sheet.width))
        if y1 > y0 and x1 > x0
    ]
    rows, cols = range(-9, 10), range(-9, 10)
    assert np.array_equal(kept_patches(lattice, parts, rows, cols), kept_patches(lattice, [sheet], rows, cols))


@pytest.mark.parametrize(
    ("side", "overlapping", "patches"), [(6000, 256, 23), (512, 256, 1), (513, 256, 2), (6000, 0, 12)]
)
def test_no_patch_too_many(side, overlapping, patches) -> None:
    lattice = Lattice(512, overlapping)
    ks = lattice.touching(0, side)
    kept = kept_patches(lattice, [Window(0, 0, side, side)], ks, ks)
    assert kept.sum() == patches**2

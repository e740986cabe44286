"""The grid, and windows on it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window
from strategies import windows

from geoseg.geometry.grid import Grid, bounding, grown, overlap, slices

UTM = CRS.from_epsg(25833).to_wkt()


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

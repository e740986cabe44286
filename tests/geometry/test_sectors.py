"""Sectors and districts."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window
from strategies import windows

from geoseg.geometry.grid import overlap, slices
from geoseg.geometry.sectors import coarse_window, districts_of, sectors_of


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


wholes_of_all = st.builds(
    lambda col, row, wide, high: Window(col, row, wide, high),
    st.integers(-50, 50),
    st.integers(-50, 50),
    st.integers(1, 90),
    st.integers(1, 90),
)


@given(wholes_of_all, st.integers(4, 40), st.integers(1, 7))
def test_each_pixel_lies_in_one_core_also_on_the_coarse_raster(whole: Window, side: int, step: int) -> None:
    sectors = sectors_of([whole], whole, step=step, side=side)
    assert sectors.side % (2 * step) == 0
    coarse = coarse_window(whole, step)
    fine_hits, coarse_hits = (np.zeros((w.height, w.width), int) for w in (whole, coarse))
    for sector in sectors.numbers:
        fine_hits[slices(sectors.core(sector), whole)] += 1
        core = sectors.coarse_core(sector)
        assert overlap(core, coarse) == core
        coarse_hits[slices(core, coarse)] += 1
    assert (fine_hits == 1).all()
    assert (coarse_hits == 1).all()
    assert sectors.pixels() == whole.width * whole.height
    assert sectors.frame().length == 2 * (whole.width + whole.height)


def test_far_sectors_are_not_looked_at() -> None:
    sheets = [Window(0, 0, 10, 10), Window(500, 500, 10, 10)]
    sectors = sectors_of(sheets, Window(0, 0, 510, 510), side=50, largest=25)
    assert sectors.numbers == ((0, 0), (9, 9), (9, 10), (10, 9), (10, 10))

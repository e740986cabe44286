"""Groups of sheets that are scattered over a country."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window

from geoseg.geometry.grid import overlap
from geoseg.geometry.scatter import touching_groups

places = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=8, unique=True)


def test_nothing_has_no_group() -> None:
    assert touching_groups([]) == []


def test_near_sheets_have_one_raster() -> None:
    sheets = [Window(0, 0, 6000, 6000), Window(20_000, 0, 6000, 6000)]
    assert touching_groups(sheets) == [Window(0, 0, 26_000, 6000)]


def test_how_photos_are_cut_does_not_count() -> None:
    """A large photo cut into overlapping strips covers as much ground as before."""
    far = [Window(100_000, 0, 100, 100), Window(0, 48_000, 100, 100)]
    whole = touching_groups([Window(0, 0, 5000, 5000), *far])
    strips = [Window(0, 450 * i, 5000, 500) for i in range(11)]
    assert whole == touching_groups([*strips, *far])
    assert len(whole) == 3


@given(places)
def test_each_sheet_lies_in_a_group_and_far_groups_are_small(cells: list[tuple[int, int]]) -> None:
    """Sheets of 1000 px on a wide board, so that any two of them touch or lie 999 000 px apart at least."""
    sheets = [Window(1_000_000 * x, 1_000_000 * y, 1000, 1000) for x, y in cells]
    groups = touching_groups([*sheets, Window(1000, 0, 1000, 1000), Window(0, 0, 1000, 1000)])
    for sheet in sheets:
        assert sum(overlap(sheet, g) == sheet for g in groups) == 1
    if len(groups) > 1:
        assert Window(0, 0, 2000, 1000) in groups  # these two touch
        assert all(g.width * g.height <= 2_000_000 for g in groups)
    assert groups == touching_groups([*sheets[::-1], Window(0, 0, 1000, 1000), Window(1000, 0, 1000, 1000)])

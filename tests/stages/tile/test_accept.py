"""Which sheets a run can use, and why not the others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from plans import GRID, UTM, a_header, a_plan, a_sheet, found
from rasterio.windows import Window

from geoseg.errors import SheetError, UsageError
from geoseg.plan import Quarantined
from geoseg.stages.tile import accept

RNG = np.random.default_rng(11)


# Each filter alone


def test_a_name_that_nobody_can_write_down_is_refused_unopened() -> None:
    path = Path(os.fsdecode(b"/nowhere/\xff.tif"))
    kept, refused = accept.read_headers([path], 1.0)
    assert not kept
    assert "not UTF-8" in refused[0].reason
    refused[0].path.encode()  # it can be said


def test_a_place_is_asked_for_and_a_given_crs_fills_in() -> None:
    here, nowhere, no_crs = a_header(), a_header(georeferenced=False), a_header(crs="")
    kept, refused = accept.georeferenced(found(here, nowhere, no_crs), "")
    assert [h for _, h in kept] == [here]
    assert [(q.path, q.cure.split(" ")[0]) for q in refused] == [("/nowhere/1.tif", "add"), ("/nowhere/2.tif", "name")]
    kept, refused = accept.georeferenced(found(here, nowhere, no_crs), UTM)
    assert [h.crs for _, h in kept] == [UTM, UTM]
    assert len(refused) == 1


kinds = st.sampled_from([("uint8", 3), ("uint8", 4), ("uint8", 1), ("uint16", 3), ("float32", 3)])


@given(st.lists(kinds, min_size=1, max_size=12), st.sampled_from([(), (1, 2, 3), (4,)]))
def test_those_that_are_alike_stay_and_no_sheet_gets_lost(
    chosen: list[tuple[str, int]], bands: tuple[int, ...]
) -> None:
    sheets = found(*[a_header(dtype=dtype, bands=count) for dtype, count in chosen])
    kept, refused = accept.alike(sheets, bands)
    assert sorted([str(p) for p, _ in kept] + [q.path for q in refused]) == sorted(str(p) for p, _ in sheets)
    assert all(q.reason and q.cure for q in refused)
    assert len({h.dtype for _, h in kept}) <= 1
    if bands:
        assert all(h.bands >= max(bands) for _, h in kept)
    else:  # RGB and RGBA are alike: alpha is no colour
        assert len({sum(m != "alpha" for m in h.meanings) for _, h in kept}) == 1
    assert accept.alike(kept, bands) == (kept, [])


def test_nothing_at_all_is_alike() -> None:
    assert accept.alike([], ()) == ([], [])


@given(st.lists(st.tuples(st.integers(-900, 900), st.integers(-900, 900)), min_size=1, max_size=9), st.integers(-9, 9))
def test_who_is_far_does_not_hang_on_where_the_grid_begins(places: list[tuple[int, int]], by: int) -> None:
    def split(shift: int) -> tuple[list[int], list[int]]:
        sheets = [
            a_sheet(str(i), Window(2000 * col + 1000 * shift, 2000 * row, 100, 80))
            for i, (col, row) in enumerate(places)
        ]
        kept, refused = accept.near(sheets, GRID, 100_000.0)
        assert len(kept) + len(refused) == len(sheets)
        assert kept
        return [int(s.stem) for s in kept], [int(Path(q.path).stem) for q in refused]

    kept, refused = split(0)
    assert (kept, refused) == split(by)
    for one in kept:  # 200 m to a step, 100 km allowed from the middle: no two that stay are farther than 200 km apart
        for other in kept:
            assert max(abs(a - b) for a, b in zip(places[one], places[other], strict=True)) <= 1001


def test_nothing_at_all_is_near() -> None:
    assert accept.near([], GRID, 5.0) == ([], [])


def test_what_was_damaged_stays_out_until_somebody_writes_it() -> None:
    bad, good = a_sheet("bad"), a_sheet("good")
    earlier = a_plan(bad, good).without(bad.path, "is damaged", "copy it again")
    kept, damaged = accept.still_damaged([bad, good], earlier)
    assert (kept, [q.path for q in damaged]) == ([good], [bad.path])
    again = a_sheet("bad", stat=(1000, 2))
    assert accept.still_damaged([again, good], earlier) == ([again, good], [])


def test_sheets_off_the_earth_are_refused_one_by_one(tmp_path) -> None:
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path in paths:
        path.touch()
    lost = a_header(place=Affine(0.1, 0, 1e12, 0, -0.1, 0))
    placed, refused = accept.place_on([(paths[0], a_header()), (paths[1], lost)], GRID)
    assert [s.path for s in placed] == [str(paths[0])]
    assert refused[0].path == str(paths[1])
    assert "nowhere" in refused[0].reason


def test_with_strict_the_first_refusal_ends_it_and_without_sheets_too() -> None:
    refused = [Quarantined("a.tif", "is odd", "mend it"), Quarantined("b.tif", "is odd too", "mend it")]
    with pytest.raises(SheetError, match=r"a\.tif: is odd \(mend it\)"):
        accept.check_left([a_sheet()], refused, strict=True)
    accept.check_left([a_sheet()], refused, strict=False)
    accept.check_left([a_sheet()], [], strict=True)
    with pytest.raises(UsageError, match="none of 2 sheets can be used"):
        accept.check_left([], refused, strict=False)

"""Plans: sheets, blocks and patches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import GRID, a_header, a_plan, a_sheet, touched
from rasterio.windows import Window
from strategies import windows

from geoseg.geometry.blocks import block_window
from geoseg.geometry.grid import overlap
from geoseg.plan import megapixels, memory_needed, patch_windows, plan_blocks

sheets = st.lists(windows, min_size=1, max_size=8).map(lambda ws: [a_sheet(str(i), w) for i, w in enumerate(ws)])


@given(sheets, windows)
def test_the_sheets_that_meet_a_window_are_those_and_in_the_plans_order(found, window) -> None:
    plan = a_plan(*found)
    assert plan.meeting(window) == [s for s in found if overlap(s.window, window)]


@given(sheets)
def test_blocks_and_patches_reach_every_sheet(found) -> None:
    plan = a_plan(*found)
    blocks, patches = plan_blocks(plan), patch_windows(plan)
    for sheet in found:
        parts = [overlap(block_window(b, plan.block), sheet.window) for b in blocks]
        assert sum(p.width * p.height for p in parts if p) == sheet.window.width * sheet.window.height
        assert any(overlap(plan.lattice.window(*p), sheet.window) for p in patches)
    assert all(plan.meeting(plan.lattice.window(*p)) for p in patches)
    assert megapixels(plan) == pytest.approx(sum(s.window.width * s.window.height for s in found) / 1e6)
    assert memory_needed(plan) > 0.95e9


def test_an_area_leaves_out_what_it_does_not_meet() -> None:
    plan = a_plan(a_sheet(window=Window(0, 0, 640, 640)))
    left, bottom, right, top = GRID.bounds(Window(10, 10, 20, 20))
    part = a_plan(
        *plan.sheets,
        area=f"POLYGON (({left} {bottom}, {right} {bottom}, {right} {top}, {left} {top}, {left} {bottom}))",
    )
    assert plan_blocks(part) == [(0, 0)]
    assert set(patch_windows(part)) < set(patch_windows(plan))


def test_a_sheet_set_aside_stays_known() -> None:
    good, bad = a_sheet("good"), a_sheet("bad")
    plan = a_plan(good, bad).without(bad.path, "is damaged", "copy it again")
    assert plan.sheets == (good,)
    assert [(q.path, q.reason, q.stat) for q in plan.quarantined] == [(bad.path, "is damaged", bad.stat)]
    assert plan.revision == 2
    assert plan.planned == "once"


def test_a_key_says_what_a_sheet_is_and_where() -> None:
    sheet = a_sheet()
    others = [
        touched(sheet),
        a_sheet("other"),
        a_sheet(window=Window(1, 0, 100, 80)),
        a_sheet(mode="warped"),
        a_sheet(header=a_header(nodata=0.0)),
    ]
    assert len({sheet.key, *(o.key for o in others)}) == 6
    assert a_sheet(stat=(1000, 9), known_as=sheet.stat).key == sheet.key

"""plan.json: what comes back is what was written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import GRID, a_header, a_plan, a_sheet
from rasterio.windows import Window

from geoseg.commit import commit_state
from geoseg.errors import PlanError
from geoseg.geometry.lattice import Lattice
from geoseg.plan import Quarantined
from geoseg.runfolder.plan_file import read_plan, write_plan

names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)
stats = st.tuples(st.integers(0, 1 << 50), st.integers(0, 1 << 62))
exact = st.floats(allow_nan=False, allow_infinity=False)
sheets = st.builds(
    lambda name, stat, window, mode, known, nodata, mask: a_sheet(
        name,
        Window(*window),
        stat=stat,
        mode=mode,
        known_as=known,
        header=a_header(window[2], window[3], nodata=nodata, mask="external" if mask else "none", mask_stat=mask),
    ),
    names,
    stats,
    st.tuples(st.integers(-9999, 9999), st.integers(-9999, 9999), st.integers(1, 9999), st.integers(1, 9999)),
    st.sampled_from(["direct", "flipped", "warped"]),
    st.none() | stats,
    st.none() | exact,
    st.none() | stats,
)
refused = st.builds(Quarantined, names, st.text(st.characters(codec="utf-8")), names, st.none() | stats)
plans = st.builds(
    lambda found, out, x, bands, nodata, area, revision: a_plan(
        *found,
        grid=replace(GRID, x0=x),
        quarantined=tuple(out),
        bands=tuple(bands),
        nodata=tuple(nodata),
        nodata_rule="blank" if revision % 2 else "everywhere",
        area=area,
        revision=revision,
        lattice=Lattice(96, 32, 3),
        asked_lattice=bool(bands),
    ),
    st.lists(sheets, min_size=1, max_size=3),
    st.lists(refused, max_size=2),
    exact,
    st.lists(st.integers(1, 9), max_size=3),
    st.lists(st.tuples(exact, exact), max_size=2),
    st.sampled_from(["", "POLYGON ((0 0, 1 0, 1 1, 0 0))"]),
    st.integers(1, 999),
)


@given(plans)
def test_a_plan_comes_back_as_it_was_to_the_last_digit(tmp_path_factory, plan) -> None:
    path = tmp_path_factory.getbasetemp() / "plan.json"
    write_plan(path, plan)
    again = read_plan(path)
    assert again == plan
    assert [s.key for s in again.sheets] == [s.key for s in plan.sheets]


@pytest.mark.parametrize("field", ["grid", "lattice", "sheets", "block", "nodata", "revision"])
def test_a_plan_that_lacks_something_is_damaged(tmp_path, field) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, a_plan())
    value = json.loads(path.read_text())
    del value[field], value["seal"]
    commit_state(path, value)
    with pytest.raises(PlanError, match="is damaged"):
        read_plan(path)


def test_another_format_is_named(tmp_path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, a_plan())
    value = json.loads(path.read_text())
    del value["seal"]
    commit_state(path, {**value, "format": 2})
    with pytest.raises(PlanError, match="has format 2, expected 1"):
        read_plan(path)


def test_what_needs_no_sheet_to_be_known_is_not_in_older_plans(tmp_path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, a_plan())
    value = json.loads(path.read_text())
    del value["planned"], value["seal"], value["sheets"][0]["known_as"]
    commit_state(path, value)
    assert read_plan(path) == replace(a_plan(), planned="")

"""Which grid wins, and where sheets lie on it."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from plans import GRID, UTM, a_header, found, wkt
from rasterio.windows import Window
from support import PLACE, moved

from geoseg.errors import SheetError, UsageError
from geoseg.geometry.ground import metres_per_unit
from geoseg.sheets.place import crs_name, place_sheet
from geoseg.stages.tile.grid import choose_grid, crs_wkt, ground_gsd

# Which grid wins


places = st.lists(st.tuples(st.integers(-500, 500), st.integers(-500, 500)), min_size=2, max_size=6, unique=True)


@given(places, st.integers(0, 3), st.floats(0.1, 0.9))
def test_the_majority_decides_pixel_and_phase_and_its_upper_left_is_the_anchor(on, off, shift) -> None:
    off = min(off, len(on) - 1)
    right = [a_header(place=moved(PLACE, col, row)) for col, row in on]
    wrong = [a_header(place=moved(PLACE, 3000 + 200 * k + shift, shift)) for k in range(off)]
    grid = choose_grid(found(*wrong, *right) if off < len(on) else found(*right))
    assert grid.pixel == pytest.approx(0.1)
    corner = GRID.transform @ (min(c for c, _ in on), min(r for _, r in on))
    assert (grid.x0, grid.y0) == pytest.approx(corner)
    assert all(grid.place(Affine(*h.transform), h.width, h.height, UTM) is not None for h in right)


def test_the_order_of_the_sheets_decides_nothing() -> None:
    headers = [a_header(place=moved(PLACE, 100 * k, -7 * k)) for k in range(3)]
    headers.append(a_header(place=Affine(0.2, 0, PLACE.c, 0, -0.2, PLACE.f)))
    assert len({choose_grid(found(*order)) for order in itertools.permutations(headers)}) == 1


def test_the_majority_decides_the_crs() -> None:
    other = a_header(crs=wkt(25832), place=Affine(0.1, 0, 700_000, 0, -0.1, 5_807_000))
    assert choose_grid(found(other, a_header(), a_header())).crs == UTM


@given(st.floats(0.02, 2))
def test_a_given_gsd_is_metres_on_the_ground(gsd) -> None:
    grid = choose_grid(found(a_header()), gsd=gsd)
    metres = grid.pixel * metres_per_unit(UTM, PLACE.c, PLACE.f)
    assert metres == pytest.approx(gsd, rel=0.0101)
    if abs(gsd / 0.1 - 1) > 0.02:
        assert metres == pytest.approx(gsd, rel=1e-6)


@given(st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_an_anchor_moves_to_the_nearest_corner_of_a_pixel(east, north) -> None:
    asked = PLACE.c + east, PLACE.f + north
    grid = choose_grid(found(a_header()), anchor=asked)
    assert max(abs(grid.x0 - asked[0]), abs(grid.y0 - asked[1])) <= 0.0501
    assert grid.place(PLACE, 100, 80, UTM) is not None  # the sheet still lies on it


@pytest.mark.parametrize("anchor", [(1e12, 0.0), (math.nan, 0.0), (math.inf, 1.0)])
def test_an_anchor_that_is_nowhere_is_refused(anchor) -> None:
    with pytest.raises(UsageError, match="the sheets begin at"):
        choose_grid(found(a_header()), anchor=anchor)


def test_a_grid_of_degrees_is_refused_and_a_crs_can_be_named_instead() -> None:
    degrees = a_header(crs=wkt(4326), place=Affine(1e-6, 0, 13.05, 0, -1e-6, 52.4))
    with pytest.raises(UsageError, match="degrees.*--crs"):
        choose_grid(found(degrees))
    grid = choose_grid(found(degrees), UTM)
    assert grid.crs == UTM
    assert grid.pixel == pytest.approx(ground_gsd(degrees, degrees.crs), rel=0.01)


def test_no_sheet_that_can_be_reached_says_why() -> None:
    lost = a_header(place=Affine(0.1, 0, 1e12, 0, -0.1, 0))
    with pytest.raises(UsageError, match="no other sheet can be used either"):
        choose_grid(found(lost))


# Where a sheet lies


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "s.tif"
    path.touch()
    return path


@given(st.integers(-500, 500), st.integers(-500, 500), st.integers(1, 300), st.integers(1, 300))
def test_a_crop_of_the_grid_lies_there_as_it_is(tmp_path_factory, col, row, width, height) -> None:
    path = tmp_path_factory.getbasetemp() / "crop.tif"
    path.touch()
    sheet = place_sheet(path, a_header(width, height, moved(PLACE, col, row)), GRID)
    assert (sheet.mode, sheet.window) == ("direct", Window(col, row, width, height))
    turned = Affine(0.1, 0, PLACE.c + 0.1 * col, 0, 0.1, PLACE.f - 0.1 * (row + height))
    sheet = place_sheet(path, a_header(width, height, turned), GRID)
    assert (sheet.mode, sheet.window) == ("flipped", Window(col, row, width, height))


@pytest.mark.parametrize(
    "place",
    [moved(PLACE, 0.5, 0), PLACE @ Affine.rotation(10), Affine(0.12, 0, PLACE.c, 0, -0.12, PLACE.f)],
    ids=["half a pixel off", "turned", "other pixels"],
)
def test_what_is_off_the_grid_is_warped_into_a_window_that_holds_it(file, place) -> None:
    header = a_header(place=place)
    sheet = place_sheet(file, header, GRID)
    assert sheet.mode == "warped"
    left, bottom, right, top = GRID.bounds(sheet.window)
    for corner in ((0, 0), (100, 0), (0, 80), (100, 80)):
        x, y = place @ corner
        assert left - 0.01 <= x <= right + 0.01
        assert bottom - 0.01 <= y <= top + 0.01


@pytest.mark.parametrize("factor", [20, 1 / 20])
def test_pixels_that_have_nothing_to_do_with_the_grids_are_refused(file, factor) -> None:
    header = a_header(1000, 800, Affine(0.1 * factor, 0, PLACE.c + 0.03, 0, -0.1 * factor, PLACE.f))
    with pytest.raises(SheetError, match="as wide as the grid's"):
        place_sheet(file, header, GRID)


def test_crs_by_any_name() -> None:
    assert crs_wkt("EPSG:25833") == crs_wkt("25833") == UTM
    assert crs_name(UTM) == "EPSG:25833"
    assert crs_name("no such thing") == "an unknown CRS"
    with pytest.raises(UsageError, match="is not a CRS"):
        crs_wkt("EPSG:1")

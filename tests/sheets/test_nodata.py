"""The rules for no-data, by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from plans import a_header, a_sheet

from geoseg.sheets.nodata import flat_border, mask_of, nodata_values, valid_by_value

images = arrays(np.uint8, (3, 6, 7), elements=st.sampled_from([0, 1, 5, 250, 255]))


@given(images, st.sampled_from([0.0, 5.0, 255.0]), st.integers(0, 10))
def test_a_pixel_is_no_data_where_every_band_is_near_the_value(pixels, value, tolerance) -> None:
    expected = ~(np.abs(pixels.astype(float) - value) <= tolerance).all(0)
    assert np.array_equal(valid_by_value(pixels, [(value, float(tolerance))]), expected)


@given(images, st.lists(st.tuples(st.sampled_from([0.0, 5.0, 255.0]), st.sampled_from([0.0, 3.0])), max_size=3))
def test_more_values_make_no_pixel_valid(pixels, values) -> None:
    every = valid_by_value(pixels, values)
    alone = [valid_by_value(pixels, [v]) for v in values]
    assert np.array_equal(every, np.logical_and.reduce([np.ones((6, 7), bool), *alone]))


@pytest.mark.parametrize("value", [-9999.0, 300.0, 1e38])
def test_a_value_that_no_pixel_can_hold_hides_none(value) -> None:
    assert valid_by_value(np.zeros((1, 3, 3), np.uint8), [(value, 0.0)]).all()
    assert not valid_by_value(np.full((1, 3, 3), 255, np.uint8), [(300.0, 50.0)]).any()  # its tolerance reaches 255


def test_what_is_not_a_number_is_no_data_in_any_band() -> None:
    pixels = np.zeros((2, 2, 2), np.float32)
    pixels[0, 0, 0], pixels[1, 1, 1] = np.nan, np.inf
    assert valid_by_value(pixels, []).tolist() == [[False, True], [True, False]]


def test_values_of_the_run_come_before_the_files_own() -> None:
    assert nodata_values([(255.0, 12.0)], a_header(nodata=0.0)) == [(255.0, 12.0), (0.0, 0.0)]
    assert nodata_values([], a_header(nodata=float("nan"))) == []


def test_the_mask_that_decides_beside_the_values() -> None:
    def place(**facts: object):
        return mask_of(a_sheet(header=a_header(**facts)), (1, 2, 3))

    assert place() is None
    internal, external, alpha = (
        place(mask="internal"),
        place(mask="external", mask_stat=(5, 6)),
        place(mask="alpha", bands=4),
    )
    assert (internal.bands, alpha.bands, external.bands) == ((), (4,), (1,))
    assert (external.path.name, external.stat) == ("s.tif.msk", (5, 6))
    assert mask_of(a_sheet(header=a_header(mask="alpha", bands=4)), (4, 1, 2)) is None  # named by the user: it is data


@given(st.floats(0, 1), st.sampled_from([(250, 255), (2, 0), (128, None)]))
def test_a_border_is_large_flat_and_at_the_edge(share, kind) -> None:
    colour, value = kind
    rng = np.random.default_rng(1)
    pixels = rng.integers(60, 200, (3, 100, 100)).astype(np.uint8)
    rows = round(100 * share)
    pixels[:, :rows] = colour
    found = flat_border(pixels, [pixels[:, 0], pixels[:, :, 0]])
    assert found == (value if rows > 10 else None)
    inner = np.roll(pixels, 20, 1)
    if rows <= 60:  # the same area, but the sheet's edge is photo
        assert flat_border(inner, [inner[:, 0]]) is None

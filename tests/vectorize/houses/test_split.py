"""Laws of cutting houses: nothing is lost, each house is whole, walls lie on contact, any frame gives the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.vectorize.houses.colour import COLOURS, coloured
from geoseg.vectorize.houses.split import HouseOptions, split_houses

GSD = 0.1


def row_of_houses(widths: list[int], high: int, wall: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A region (H, W) of attached houses, and contact of some width around each common wall."""
    region = np.zeros((high + 20, sum(widths) + 20), bool)
    region[10:-10, 10:-10] = True
    contact = np.zeros(region.shape, np.uint8)
    for end in np.cumsum(widths)[:-1]:
        columns = np.arange(region.shape[1])
        contact[:, np.abs(columns + 0.5 - 10 - end) < wall] = 90
    return region, contact


@given(st.lists(st.integers(60, 120), min_size=1, max_size=5), st.integers(50, 100))
@settings(max_examples=25, deadline=None)
def test_a_row_comes_apart_at_its_walls(widths: list[int], high: int) -> None:
    region, contact = row_of_houses(widths, high)
    houses = split_houses(region, contact, GSD)
    assert houses.max() == len(widths)
    true = np.zeros(region.shape, int)
    true[:, 10:-10] = np.repeat(np.arange(1, len(widths) + 1), widths)
    wrong = (houses != true) & region
    assert wrong.sum() <= region[:, 0].size * 2 * len(widths)  # a pixel to either side of a wall


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_each_house_is_connected_and_neighbours_differ_in_colour(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal((160, 170)), 7)
    labels, _ = ndimage.label(noise > -0.02)
    region = labels == np.bincount(labels[labels > 0]).argmax()
    lines = ndimage.gaussian_filter(rng.standard_normal(region.shape), 5)
    contact = np.where(np.abs(lines) < 0.01, 80, rng.integers(0, 49, region.shape)).astype(np.uint8)
    houses = split_houses(region, contact, GSD, HouseOptions(least=1.0))
    assert ((houses > 0) == region).all()
    for i in range(1, houses.max() + 1):
        assert ndimage.label(houses == i)[1] == 1
    colour = coloured(houses)
    assert colour.max() < COLOURS
    for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        border = (houses[a] != houses[b]) & (houses[a] > 0) & (houses[b] > 0)
        assert (colour[a] != colour[b])[border].all()


@given(st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=10, deadline=None)
def test_a_larger_frame_cuts_alike(top: int, left: int) -> None:
    region, contact = row_of_houses([70, 90, 80], 60)
    alone = split_houses(region, contact, GSD)
    framed = split_houses(np.pad(region, ((top, 3), (left, 7))), np.pad(contact, ((top, 3), (left, 7))), GSD)
    assert (framed[top:-3, left:-7] == alone).all()


@pytest.mark.parametrize("value", [0, 49, 255])
def test_without_contact_a_region_stays_whole(value: int) -> None:
    region, contact = row_of_houses([70, 90], 60)
    assert split_houses(region, np.full_like(contact, value), GSD).max() == 1


def test_a_speck_is_no_house() -> None:
    region, contact = row_of_houses([90, 20], 60)
    assert split_houses(region, contact, GSD).max() == 1

"""A network fitted to the sheets: bands, values, GSD, patches."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from plans import a_card, a_header, a_plan, a_sheet

from geoseg.errors import ModelError, UsageError
from geoseg.geometry.lattice import Lattice
from geoseg.predict.lattice import fitted_lattice, ratio_of
from geoseg.stages.infer.fit import bands_of, normalise_of


def _plan(*headers, **facts):
    return a_plan(*(a_sheet(str(i), header=h) for i, h in enumerate(headers)), **facts)


# Bands


@given(st.permutations(["red", "green", "blue", "nir", "alpha"]), st.permutations(["red", "green", "blue", "nir"]))
def test_bands_are_picked_by_what_they_mean(there, wanted) -> None:
    plan = _plan(a_header(bands=5, meanings=tuple(there)))
    card = a_card(bands=tuple(wanted), mean=(0.0,) * 4, std=(1.0,) * 4)
    (picked,) = bands_of(plan, card).values()
    assert [there[b - 1] for b in picked] == wanted


@pytest.mark.parametrize(
    ("meanings", "wanted", "picked"),
    [
        (("undefined",) * 3, ("blue", "red"), (3, 1)),
        (("undefined",) * 4, ("nir", "red"), (4, 1)),
        (("gray", "undefined", "undefined"), ("red", "green", "blue"), (1, 2, 3)),
        (("gray",), ("grey",), (1,)),
        (("red", "green", "blue", "undefined"), ("nir",), (4,)),
        (("red", "green", "blue", "alpha"), ("red",), (1,)),
    ],
)
def test_what_nobody_named_goes_by_the_number_of_bands(meanings, wanted, picked) -> None:
    card = a_card(bands=wanted, mean=(0.0,) * len(wanted), std=(1.0,) * len(wanted))
    assert list(bands_of(_plan(a_header(bands=len(meanings), meanings=meanings)), card).values()) == [picked]


def test_what_the_user_names_counts_for_every_sheet_and_its_number_must_fit() -> None:
    plan = _plan(a_header(), a_header(bands=4), bands=(3, 1, 2))
    assert set(bands_of(plan, a_card()).values()) == {(3, 1, 2)}
    with pytest.raises(ModelError, match="wants 3 bands .*--bands names 2"):
        bands_of(replace(plan, bands=(1, 2)), a_card())


def test_a_band_that_is_not_there_is_named_with_the_sheet() -> None:
    card = a_card(bands=("nir", "red", "green"))
    with pytest.raises(ModelError, match=r"wants nir, red, green; /nowhere/0\.tif has 1 red, 2 green.*--bands"):
        bands_of(_plan(a_header()), card)


# Values


@given(st.floats(-1e4, 1e4), st.floats(1, 1e5), st.integers(0, 255))
def test_a_range_maps_its_ends_to_the_networks_darkest_and_brightest(low, span, value) -> None:
    card = a_card()
    plan = _plan(a_header(dtype="uint16"))
    scaled = normalise_of(plan, card, (low, low + span))
    stored = low + value / 255 * span
    ours = (stored - scaled.mean.astype(float)) / scaled.std
    assert ours == pytest.approx((value - np.array(card.mean)) / np.array(card.std), abs=0.02 + abs(low) / span * 1e-4)


def test_another_data_type_needs_a_range_and_the_range_an_order() -> None:
    with pytest.raises(ModelError, match="trained on uint8, the sheets are uint16"):
        normalise_of(_plan(a_header(dtype="uint16")), a_card(), None)
    same = normalise_of(_plan(a_header()), a_card(), None)
    assert tuple(same.mean) == a_card().mean
    for bad in ((5.0, 5.0), (9.0, 0.0)):
        with pytest.raises(UsageError, match="LOW < HIGH"):
            normalise_of(_plan(a_header()), a_card(), bad)


# Ground sample distance


@profile(max_examples=25)
@given(st.floats(0.01, 2))
def test_the_ratio_is_one_near_the_networks_own_gsd_and_close_elsewhere(gsd) -> None:
    ratio = ratio_of(gsd, a_card(), resample=True)
    near = abs(gsd / 0.1 - 1) <= 0.15
    if near:
        assert ratio == 1
    card = a_card()
    for pixels in (card.patch, card.patch - card.overlap, card.margin):
        assert (Fraction(pixels) / ratio).denominator == 1
    assert near or abs(float(ratio) / (gsd / 0.1) - 1) <= 0.15 or gsd < 0.02 or gsd > 1


@profile(max_examples=25)
@given(st.floats(0.01, 2))
def test_a_gsd_far_outside_the_range_is_refused_unless_forced(gsd) -> None:
    assume(abs(gsd - 0.05 / 1.2) > 1e-9 and abs(gsd - 0.24) > 1e-9)
    if 0.05 / 1.2 <= gsd <= 0.2 * 1.2:
        ratio_of(gsd, a_card(), resample=False)
    else:
        with pytest.raises(ModelError, match="--resample"):
            ratio_of(gsd, a_card(), resample=False)
        ratio_of(gsd, a_card(), resample=True)


# Patches


@given(st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(2), Fraction(4)]), st.integers(0, 120))
def test_the_networks_own_patches_become_source_pixels(ratio, margin) -> None:
    lattice = fitted_lattice(_plan(a_header()), a_card(), margin, ratio)
    assert (lattice.patch * ratio, lattice.overlap * ratio) == (512, 256)
    assert lattice.margin == math.ceil(margin / ratio)
    assert lattice.margin * ratio >= margin  # the network's margin is covered


@given(st.integers(1, 40), st.integers(0, 20))
def test_patches_that_the_user_asks_for_are_whole_strides_or_refused_with_the_nearest(patch, overlap) -> None:
    overlap = min(overlap, patch - 1)
    for size in (32 * patch, 32 * patch + 1):
        plan = _plan(a_header(), lattice=Lattice(size, 32 * overlap), asked_lattice=True)
        if size % 32 == 0:
            assert fitted_lattice(plan, a_card(), 0, Fraction(1)) == plan.lattice
        else:
            with pytest.raises(UsageError, match=f"run geoseg tile again with {size - 1} or {size + 31}"):
                fitted_lattice(plan, a_card(), 0, Fraction(1))


def test_an_overlap_within_the_margins_is_refused() -> None:
    plan = _plan(a_header(), lattice=Lattice(512, 128), asked_lattice=True)
    assert fitted_lattice(plan, a_card(), 63, Fraction(1)).margin == 63
    with pytest.raises(UsageError, match="needs more than 128 px"):
        fitted_lattice(plan, a_card(), 64, Fraction(1))

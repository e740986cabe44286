"""What bands mean: by colour, by name, by order, and never by a guess against the file's own word."""

from __future__ import annotations

import numpy as np
import pytest
from plans import a_header

from geoseg.sheets.bands import band_meanings, bands_in_words, is_mask, without_alpha


def _meanings(names: tuple[str, ...], colours: tuple[str, ...] | None = None) -> tuple[str, ...]:
    colours = colours or ("gray", *("undefined",) * (len(names) - 1))
    return band_meanings(a_header(bands=len(names), meanings=colours, names=names))


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (("Blue", "Green", "Red", "NIR"), ("blue", "green", "red", "nir")),
        (("Blue", "Green", "Red", "NIR", "Rededge"), ("blue", "green", "red", "nir", "other")),
        (("Green", "Red", "RedEdge", "NIR"), ("green", "red", "other", "nir")),
        (("Red edge 705", "Red 668", "near-infrared"), ("other", "red", "nir")),
        (("B2", "B3", "B4", "B8"), ("blue", "green", "red", "nir")),
        (("B02", "B03", "B04", "B05", "B8A", "B08"), ("blue", "green", "red", "other", "other", "nir")),
        (("SR_B2", "SR_B3", "SR_B4", "SR_B5"), ("blue", "green", "red", "nir")),
        (("Band 1: red", "Band 2: green", "Band 3: blue"), ("red", "green", "blue")),
        (("nDSM", "red"), ("height", "red")),
        (("B1", "B2", "B3", "B4"), ("red", "green", "blue", "nir")),
        (("one", "two", "three"), ("red", "green", "blue")),
        (("", "", ""), ("red", "green", "blue")),
    ],
)
def test_names_of_the_usual_makers(names: tuple[str, ...], meant: tuple[str, ...]) -> None:
    """Numbers alone, and names that nobody knows, leave the order of the bands."""
    assert _meanings(names) == meant


def test_a_name_against_a_colour_means_neither() -> None:
    found = _meanings(("Blue", "Green", "Red"), ("red", "green", "blue"))
    assert found == ("blue or red", "green", "red or blue")
    header = a_header(bands=3, meanings=("red", "green", "blue"), names=("Blue", "Green", "Red"))
    assert bands_in_words(header) == '1 blue or red ("Blue"), 2 green ("Green"), 3 red or blue ("Red")'


def test_infrared_that_was_called_alpha() -> None:
    header = a_header(bands=4, meanings=("red", "green", "blue", "alpha"), mask="alpha")
    assert band_meanings(header)[3] == "alpha"
    freed = without_alpha(header)
    assert freed.mask == "none"
    assert band_meanings(freed) == ("red", "green", "blue", "nir")


def test_masks_hold_few_values() -> None:
    rng = np.random.default_rng(0)
    assert is_mask(np.full((50, 50), 255, np.uint8))
    assert is_mask(np.where(rng.uniform(size=(50, 50)) < 0.5, 0, 65535).astype(np.uint16))
    soft = np.full((100, 100), 255, np.uint8)
    soft[:5] = rng.integers(1, 255, (5, 100))
    assert is_mask(soft)
    assert not is_mask(rng.integers(1, 255, (50, 50)).astype(np.uint8))
    assert not is_mask(rng.integers(0, 3000, (50, 50)).astype(np.uint16))
    assert not is_mask(rng.choice(np.array([20, 60, 100, 140], np.uint8), (50, 50)))


def test_plain_counting_means_nothing() -> None:
    """Eight bands of WorldView-2 are numbered like those of Sentinel-2, and mean others."""
    for names in (tuple(f"Band_{k}" for k in range(1, 9)), tuple(f"B{k}" for k in range(1, 9))):
        assert _meanings(names)[:4] == ("red", "green", "blue", "nir")  # by order, as without names

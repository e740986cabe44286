"""Legends: colours, values and words that mean classes."""

from __future__ import annotations

from dataclasses import replace

import layouts
import numpy as np
import pytest

from geoseg.classes import ISPRS, NODATA, NOT
from geoseg.datasets.legend import Legend, code_of, cube_legend, decode, legend_of_classes, table_legend
from geoseg.errors import SheetError, UsageError


def test_cube_survives_what_exact_colours_do_not() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, (50, 50)).astype(np.uint8)
    colours = layouts.COLOURS[labels].transpose(2, 0, 1).astype(int)
    noisy = np.clip(colours + rng.integers(-100, 101, colours.shape), 0, 255).astype(np.uint8)
    assert (decode(noisy, cube_legend(ISPRS), "x") == labels).all()


def test_values_and_colours_that_nobody_named_are_refused() -> None:
    with pytest.raises(SheetError, match=r"label values \[9\]"):
        decode(np.full((1, 4, 4), 9, np.uint8), table_legend(ISPRS), "labels.tif")
    legend = Legend("colours", ((0x3C1098, 1),))
    assert (
        decode(np.array([0x3C, 0x12, 0x98], np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8), legend, "x") == 1
    ).all()
    with pytest.raises(SheetError, match="#ffffff, which the legend lacks"):
        decode(np.full((3, 4, 4), 255, np.uint8), legend, "labels.png")


def test_words_of_legends() -> None:
    assert code_of("Building", ISPRS, "x") == 1
    assert code_of("not building", ISPRS, "x") == NOT + 1
    assert code_of("low_vegetation", ISPRS, "x") == 2
    assert code_of("ignore", ISPRS, "x") == NODATA
    with pytest.raises(UsageError, match="known: impervious surface"):
        code_of("buildings", ISPRS, "x")


@pytest.mark.parametrize(
    ("dtype", "odd"), [("int16", -1), ("int32", -70_000), ("int32", 70_000), ("uint32", 4_000_000_000)]
)
def test_values_that_no_legend_can_hold_are_no_label(dtype: str, odd: int) -> None:
    pixels = np.array([[[0, 1, odd]]], dtype)
    for legend in (table_legend(ISPRS), replace(table_legend(ISPRS), rest=5)):
        assert decode(pixels, legend, "x.tif").tolist() == [[0, 1, NODATA]]


def test_values_and_colours_of_a_mapping() -> None:
    legend = legend_of_classes({1: "building", 300: "tree"}, ISPRS, "x", rest=5)
    assert decode(np.array([[[1, 300, 7, -1]]], np.int16), legend, "x").tolist() == [[1, 3, 5, NODATA]]
    legend = legend_of_classes({"#3c1098": "building", "#8429F6": "not building"}, ISPRS, "x", rest=NODATA)
    pixels = np.array([[[0x3C, 0x84, 0]], [[0x10, 0x29, 255]], [[0x98, 0xF6, 0]]], np.uint8)
    assert decode(pixels, legend, "x").tolist() == [[1, NOT + 1, NODATA]]
    with pytest.raises(UsageError, match="expected 0 to 65535"):
        legend_of_classes({"red": "building"}, ISPRS, "x")

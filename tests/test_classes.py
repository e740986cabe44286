"""The class table."""

from __future__ import annotations

import json

import pytest

from geoseg.classes import ISPRS, NODATA, ClassTable, LandClass
from geoseg.errors import ModelError


def test_shipped_classes_are_json() -> None:
    assert json.loads(json.dumps(ISPRS.to_json()))[1]["name"] == "building"


def test_a_class_table_survives_json():
    assert ClassTable.from_json(ISPRS.to_json()) == ISPRS
    assert ISPRS.by_value(4).slug == "car"
    assert ISPRS.classes[0].slug == "impervious_surface"


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ((-1, "a", (0, 0, 0), "other"), "class value"),
        ((NODATA, "a", (0, 0, 0), "other"), "class value"),
        ((0, "a", (0, 0, 0), "lake"), "role"),
        ((0, "a", (0, 0), "other"), "colour"),
        ((0, "a", (0, 0, 256), "other"), "colour"),
    ],
)
def test_a_class_that_cannot_be_is_refused(facts, word) -> None:
    with pytest.raises(ModelError, match=word):
        LandClass(*facts)


def test_values_and_names_of_a_table_differ() -> None:
    def one(value: int, name: str) -> LandClass:
        return LandClass(value, name, (1, 2, 3), "other")

    for wrong in ([], [one(1, "a"), one(1, "b")], [one(1, "Low tree"), one(2, "low-tree")], [one(1, "--")]):
        with pytest.raises(ModelError):
            ClassTable(tuple(wrong))
    with pytest.raises(KeyError):
        ISPRS.by_value(99)
    assert len(ISPRS) == len(ISPRS.values) == 6
    assert ISPRS.classes[1].hex == "#be5036"


@pytest.mark.parametrize("row", [{}, {"value": "x", "name": "a", "colour": [0, 0, 0], "role": "other"}, {"value": 1}])
def test_a_table_that_lacks_something_says_what_belongs_in_it(row) -> None:
    with pytest.raises(ModelError, match="class table"):
        ClassTable.from_json([row])

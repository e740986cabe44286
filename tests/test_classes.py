"""The class table."""

from __future__ import annotations

import json

from geoseg.classes import ISPRS, ClassTable


def test_shipped_classes_are_json() -> None:
    assert json.loads(json.dumps(ISPRS.to_json()))[1]["name"] == "building"


def test_a_class_table_survives_json():
    assert ClassTable.from_json(ISPRS.to_json()) == ISPRS
    assert ISPRS.by_value(4).slug == "car"
    assert ISPRS.classes[0].slug == "impervious_surface"

"""Styles as QGIS reads them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.classes import ISPRS, ClassTable, LandClass
from geoseg.gis.styles import classes_qml, fill_qml, line_classes_qml, point_qml, raster_aux_xml, raster_qml, road_qml

names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12)
tables = st.lists(names, min_size=1, max_size=6).flatmap(
    lambda ns: st.builds(
        lambda values: [
            LandClass(v, f"{n} {k}", (k, 2, 3), "other") for k, (v, n) in enumerate(zip(values, ns, strict=True))
        ],
        st.lists(st.integers(0, 254), min_size=len(ns), max_size=len(ns), unique=True),
    )
)


@given(tables)
def test_any_names_make_good_xml_and_come_back_from_it(classes) -> None:
    table = ClassTable(tuple(classes))
    qml = ElementTree.fromstring(raster_qml(table))
    entries = [(int(e.get("value")), e.get("label"), e.get("color")) for e in qml.iter("paletteEntry")]
    assert entries == [(c.value, c.name, c.hex) for c in classes]
    for counts in ({}, {c.value: 7 for c in classes}):
        aux = ElementTree.fromstring(raster_aux_xml(table, counts))
        categories = [e.text or "" for e in aux.iter("Category")]
        assert all(categories[c.value] == c.name for c in classes)
        assert len(categories) == max(table.values) + 1
        assert len(list(aux.iter("FieldDefn"))) == (7 if counts else 6)
        assert len(list(aux.iter("Row"))) == len(classes)


@pytest.mark.parametrize(
    "qml",
    [
        fill_qml((1, 2, 3), alpha=90, outline=(4, 5, 6), width=0.3),
        point_qml((1, 2, 3), 2.0, smallest_scale=5000),
        road_qml((1, 2, 3), (4, 5, 6), "width_m"),
        classes_qml("class", [(c.name, c.colour) for c in ISPRS.classes], alpha=200),
        line_classes_qml("change", [("added", (1, 2, 3))], width=1),
    ],
)
def test_every_style_is_a_qgis_document(qml) -> None:
    assert ElementTree.fromstring(qml).tag == "qgis"


def test_a_style_by_class_has_one_symbol_for_each() -> None:
    odd = [("a<b & 'c'", (1, 2, 3)), ('"d"', (4, 5, 6))]
    for qml in (classes_qml("class", odd, alpha=200), line_classes_qml("class", odd, width=0.5)):
        root = ElementTree.fromstring(qml)
        assert [e.get("value") for e in root.iter("category")] == [name for name, _ in odd]
        assert len(list(root.iter("symbol"))) == 2

"""corrections.json: values of labels, and what is refused."""

from __future__ import annotations

import pytest

from geoseg.classes import ISPRS, NODATA, NOT, ClassTable, LandClass
from geoseg.datasets.corrections.items import correction_items
from geoseg.datasets.corrections.manifest import Manifest, label_values, read_manifest, write_manifest
from geoseg.datasets.folders import ImageFacts
from geoseg.datasets.legend import code_of, legend_of_classes
from geoseg.errors import UsageError


@pytest.mark.parametrize("first", [0, 140])
def test_every_class_and_its_denial_have_values_of_their_own_that_training_reads(first: int) -> None:
    table = ClassTable(tuple(LandClass(first + i, f"kind {i}", (i, i, i), "other") for i in range(90)))
    values = label_values(table)
    assert len(set(values.values())) == 180
    assert NODATA not in values.values()
    assert all(values[c.name] == c.value for c in table.classes)
    legend = legend_of_classes({v: said for said, v in values.items()}, table, "set")
    codes = dict(legend.rows)
    assert all(codes[v] == code_of(said, table, "set") for said, v in values.items())


def test_classes_beyond_the_126th_are_never_denied() -> None:
    table = ClassTable(tuple(LandClass(i, f"kind {i}", (i, i, i), "other") for i in range(150)))
    values = label_values(table)
    assert NODATA - 1 - NOT <= 126 < len(values)
    assert len(set(values.values())) == len(values)


def test_a_set_that_was_changed_or_is_none_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"holds no corrections.json .make it again with geoseg corrections"):
        read_manifest(tmp_path)
    manifest = Manifest(["a"], [], {"0": "impervious surface"}, 0.1, 3, "uint8", [], {})
    path = write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(UsageError, match="seal"):
        read_manifest(tmp_path)


def test_a_network_without_one_of_the_classes_is_refused(tmp_path) -> None:
    write_manifest(tmp_path, Manifest([], [], {"7": "barn", "1": "building"}, 0.1, 3, "uint8", [], {}))
    with pytest.raises(UsageError, match="names the class 'barn'"):
        correction_items(tmp_path, ISPRS, 3, ImageFacts())

"""Class tables by name or file."""

from __future__ import annotations

import json

import pytest

from geoseg.classes import ISPRS
from geoseg.datasets.tables import TABLES, table_by_name
from geoseg.errors import ModelError, UsageError


@pytest.mark.parametrize("name", list(TABLES))
def test_a_table_by_its_name_or_written_down_is_the_same(tmp_path, name) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(TABLES[name].to_json()))
    assert table_by_name(name) == table_by_name(str(path)) == TABLES[name]


def test_what_is_no_table_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="isprs, voc, cityscapes"):
        table_by_name("vegetation")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UsageError, match="--classes"):
        table_by_name(str(tmp_path / "a.json"))
    (tmp_path / "b.json").write_text(json.dumps([{**ISPRS.to_json()[0], "role": "lake"}]))
    with pytest.raises(ModelError, match="lake"):
        table_by_name(str(tmp_path / "b.json"))

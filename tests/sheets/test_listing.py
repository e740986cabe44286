"""Sheets by pattern and by list."""

from __future__ import annotations

import pytest

from geoseg.errors import UsageError


def test_sheets_by_pattern_and_by_list(town, tmp_path) -> None:
    from geoseg.sheets.listing import find_sheets

    sheets, _, _ = town
    assert len(find_sheets([sheets / "s_0_*.tif"])) == 2
    listed = tmp_path / "list.txt"
    listed.write_text("# tonight\nsheets/s_0_0.tif\n\nsheets/s_1_0.tif\n")
    assert [p.name for p in find_sheets([listed])] == ["s_0_0.tif", "s_1_0.tif"]
    with pytest.raises(UsageError):
        find_sheets([sheets / "x_*.tif"])

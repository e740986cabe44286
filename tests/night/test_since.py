"""A night tells what changed since the night before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import PLACE, write_sheet
from towns import EDITED, EDITS, OLD, Town

from geoseg.errors import UsageError
from geoseg.night.night import night
from geoseg.options import InferOptions, MosaicOptions, NightOptions, RunOptions, TileOptions
from geoseg.stages.changes import CHANGES_GPKG


@pytest.fixture
def told(tmp_path, truth_network):
    """(town, date, options) -> what a night over that town tells."""
    options = RunOptions(
        TileOptions(nodata=((99.0, 0.0),)),
        InferOptions(model=(truth_network,), engine="torch", precision="f32", threads=1),
        MosaicOptions(name="town"),
    )

    def run(town: Town, date: str, **more: object):
        write_sheet(tmp_path / "s/a.tif", np.stack([town.classes()] * 3), place=PLACE)
        chosen = NightOptions(date=date, changes=True, metrics=tmp_path / "m.prom", **more)
        return night([tmp_path / "s"], tmp_path / "run", replace(options, night=chosen))

    return run


def test_metrics_hooks_and_report_tell_what_changed(told, tmp_path) -> None:
    hook = ("sh", "-c", f'echo "$GEOSEG_CHANGES" > {tmp_path}/said; cat > {tmp_path}/facts')
    first = told(OLD, "2026-01-01", success=hook)
    assert first.changes == {}  # there is no night before
    plain = (tmp_path / "run/out/report.html").read_text()
    second = told(EDITED, "2026-01-02", success=hook)
    assert second.changes["changes"] == EDITS
    assert second.changes["old"] == "2026-01-01"
    assert (tmp_path / "said").read_text().startswith("1 new building, 1 gone, 1 changed; ")
    assert json.loads((tmp_path / "facts").read_text())["changes"]["changes"] == EDITS
    metrics = (tmp_path / "m.prom").read_text()
    assert f'geoseg_changes{{run="{tmp_path}/run",layer="trees",change="removed"}} 1' in metrics
    published = Path(second.published)
    page = (published / "report.html").read_text()
    assert "Since 2026-01-01" in page
    assert "1 new building, 1 gone, 1 changed" in page
    assert (published / "changes.html").is_file()
    assert "Since" not in (tmp_path / "run/out/report.html").read_text()
    assert "Since" not in plain
    before = (published / CHANGES_GPKG).stat().st_mtime_ns
    again = told(EDITED, "2026-01-02", success=hook)  # touched, but nothing new
    assert again.changes == second.changes
    assert (published / CHANGES_GPKG).stat().st_mtime_ns == before


def test_a_night_that_is_not_published_has_nothing_to_compare(told) -> None:
    with pytest.raises(UsageError, match="is not published"):
        told(OLD, "")


def test_a_night_on_another_grid_still_ends_well(told, tmp_path, caplog) -> None:
    told(OLD, "2026-01-01")
    write_sheet(tmp_path / "run/out/2026-01-01/town_classes.tif", OLD.classes(), place=PLACE @ PLACE.scale(1.5))
    found = told(EDITED, "2026-01-02")
    assert (found.exit_code, found.changes) == (0, {})
    assert "has another grid" in caplog.text

"""Two towns whose differences are known."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pytest
from towns import EDITED, EDITS, OLD, made

from geoseg.stages.changes import compare

NOTHING = {name: dict.fromkeys(counts, 0) for name, counts in EDITS.items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    """The town before and after five edits."""
    folder = tmp_path_factory.mktemp("changes")
    return made(folder / "old", OLD), made(folder / "new", EDITED)


def test_a_run_against_itself_gives_nothing(runs, tmp_path) -> None:
    found = compare(runs[0], runs[0], tmp_path / "c.gpkg")
    assert found.counts == NOTHING
    balance = found.land_cover.balance.set_index("kind").pixels
    assert balance.to_dict() == {"unchanged": 500 * 600, "polygons": 0, "slivers": 0}
    for name in ("landcover", *EDITS):
        assert len(geopandas.read_file(tmp_path / "c.gpkg", layer=name)) == 0


def test_known_edits_are_found_and_nothing_else(runs, tmp_path) -> None:
    found = compare(*runs, tmp_path / "c.gpkg")
    assert found.counts == EDITS
    rows = geopandas.read_file(tmp_path / "c.gpkg", layer="buildings").set_index("change")
    assert rows.loc["changed", "area_difference_m2"] == pytest.approx(48, abs=1)
    assert rows.loc["changed", "iou"] == pytest.approx(80 / 140, abs=0.02)
    assert rows.loc["added", "area_difference_m2"] == pytest.approx(72, abs=1)
    assert rows.loc["removed", "area_difference_m2"] == pytest.approx(-90, abs=1)
    assert rows.loc["changed", "area_m2_new"] - rows.loc["changed", "area_m2_old"] == pytest.approx(48, abs=1)
    assert rows.loc["added", ["id_old", "area_m2_old"]].isna().all()
    assert found.said()[0] == "1 new buildings, 1 gone, 1 changed"

"""Objects keep their names from night to night."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import geopandas
import pyogrio
import pytest
from towns import EDITED, OLD, made

from geoseg.stages.changes import CHANGES_GPKG, compare


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> list[Path]:
    """Folders of four nights: the town, edited, the same with one more building, and as it was."""
    folder = tmp_path_factory.mktemp("nights")
    fourth = (430, 100, 480, 160)
    towns = (OLD, EDITED, replace(EDITED, buildings=(*EDITED.buildings, fourth)), OLD)
    found = []
    for k, town in enumerate(towns):
        run = made(folder / f"run{k}", town)
        night = folder / f"2026-01-0{k + 1}"
        shutil.copytree(run / "out", night)
        (night / "night.json").write_text(json.dumps({"date": night.name}))
        found.append(night)
    for old, new in pairwise(found):
        compare(old, new, new / CHANGES_GPKG)
    return found


def names(night: Path) -> dict[str, str]:
    """`since` of a night's buildings by their object_id."""
    rows = pyogrio.read_dataframe(night / CHANGES_GPKG, layer="objects")
    assert rows["object_id"].is_unique
    rows = rows[rows["layer"] == "buildings"]
    return dict(zip(rows["object_id"], rows["since"], strict=True))


def test_an_object_keeps_its_name_and_the_night_when_it_was_first_seen(nights) -> None:
    first, second, third = "2026-01-01", "2026-01-02", "2026-01-03"
    known = {f"60_60@{first}": first, f"60_400@{first}": first, f"350_430@{second}": second}
    assert names(nights[1]) == known
    assert names(nights[2]) == {**known, f"430_100@{third}": third}
    rows = geopandas.read_file(nights[3] / CHANGES_GPKG, layer="buildings").set_index("object_id")
    assert rows["change"].to_dict() == {
        f"330_90@{nights[3].name}": "added",  # it was gone, so this is another one
        f"350_430@{second}": "removed",
        f"430_100@{third}": "removed",
        f"60_400@{first}": "changed",
    }
    assert rows["since"][f"60_400@{first}"] == first


def test_every_object_of_the_later_night_has_a_name(nights) -> None:
    rows = pyogrio.read_dataframe(nights[2] / CHANGES_GPKG, layer="objects")
    for layer in ("buildings", "trees", "cars"):
        ids = geopandas.read_file(nights[2] / "town.gpkg", layer=layer)["id"]
        assert sorted(rows["id"][rows["layer"] == layer]) == sorted(ids)

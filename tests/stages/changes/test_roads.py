"""Roads that were built and given up."""

from __future__ import annotations

from dataclasses import replace

import geopandas
from towns import OLD, made

from geoseg.stages.changes import compare


def test_a_new_road_is_a_stretch_up_to_the_old_one(tmp_path) -> None:
    old = made(tmp_path / "old", OLD)
    new = made(tmp_path / "new", replace(OLD, roads=(*OLD.roads, (300, 230, 500, 280))))
    found = compare(old, new, tmp_path / "c.gpkg")
    assert found.counts["road_centrelines"] == {"added": 1, "removed": 0, "changed": 0, "split": 0, "merged": 0}
    (row,) = geopandas.read_file(tmp_path / "c.gpkg", layer="road_centrelines").to_dict("records")
    assert 15 < row["stretch_m"] <= 20
    assert 4 < row["width_m_new"] < 6
    assert row["id_old"] is None
    back = compare(new, old, tmp_path / "c.gpkg")
    assert back.counts["road_centrelines"]["removed"] == 1


def test_a_road_that_gets_wider_is_no_new_road(tmp_path) -> None:
    old = made(tmp_path / "old", OLD)
    new = made(tmp_path / "new", replace(OLD, roads=((230, 0, 300, 600),)))
    found = compare(old, new, tmp_path / "c.gpkg")
    assert not any(found.counts["road_centrelines"].values())
    cover = geopandas.read_file(tmp_path / "c.gpkg", layer="landcover")
    assert cover[["from", "to"]].to_numpy().tolist() == [["low vegetation", "impervious surface"]]


def test_a_town_without_roads_has_none_that_can_go(tmp_path) -> None:
    none = made(tmp_path / "none", replace(OLD, roads=(), cars=()))
    some = made(tmp_path / "some", OLD)
    assert compare(none, some, tmp_path / "c.gpkg").counts["road_centrelines"]["added"] == 1
    assert compare(some, none, tmp_path / "c.gpkg").counts["road_centrelines"]["removed"] == 1
    assert not any(compare(none, none, tmp_path / "c.gpkg").counts["road_centrelines"].values())

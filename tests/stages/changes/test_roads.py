"""Roads that were built and given up."""

from __future__ import annotations

from dataclasses import replace

import geopandas
import numpy as np
import shapely
from towns import OLD, made

from geoseg.stages.changes import compare
from geoseg.stages.changes.common_ground import CommonGround
from geoseg.stages.changes.roads import stretches


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


def test_stretches_of_all_lines_are_those_of_each_line_alone() -> None:
    """Surfaces that overlap, and unknown ground: what is left is what taking them away one by one leaves."""
    rng, reach, edge = np.random.default_rng(4), 0.5, 0.6
    lines = [shapely.LineString(ends) for ends in rng.uniform(0, 80, (60, 2, 2))]
    surface = [shapely.box(x, y, x + 9, y + 5) for x, y in rng.uniform(0, 80, (50, 2))]
    unknown = [shapely.box(x, y, x + 3, y + 3) for x, y in rng.uniform(0, 80, (12, 2))]
    ground = CommonGround(np.array([shapely.box(-9, -9, 99, 99)], object), np.array(unknown, object), reach, edge)
    expected = []
    for i, line in enumerate(lines):
        left = line
        for hole in unknown:
            left = left.difference(shapely.buffer(hole, edge))
        for one in surface:
            left = shapely.line_merge(left.difference(shapely.buffer(one, reach)))
        expected += [(i, p) for p in shapely.get_parts(left) if p.length >= 4]
    frame = geopandas.GeoDataFrame({"width_m": 1.0}, geometry=lines, index=range(60))
    found = list(stretches(frame, geopandas.GeoDataFrame(geometry=surface), ground, 1.0))
    assert len(expected) > 60
    order = lambda pairs: sorted(pairs, key=lambda pair: (pair[0], pair[1].centroid.coords[0]))
    assert [i for i, _ in found] == [i for i, _ in expected]
    for (_, one), (_, other) in zip(order(found), order(expected), strict=True):
        assert one.hausdorff_distance(other) < 1e-6

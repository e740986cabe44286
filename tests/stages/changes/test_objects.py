"""Objects that overlap are one."""

from __future__ import annotations

import geopandas
import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoseg.stages.changes.common_ground import CommonGround
from geoseg.stages.changes.objects import changed_objects, match

SWAPPED = {"added": "removed", "removed": "added", "split": "merged", "merged": "split"}
GROUND = CommonGround(np.array([shapely.box(-100, -100, 200, 200)], object), np.zeros(0, object), 0.5, 0.6)


def table(boxes: list[tuple[float, float, float, float]]) -> geopandas.GeoDataFrame:
    """Rectangles with ids."""
    shapes = [shapely.box(*b) for b in boxes]
    return geopandas.GeoDataFrame({"id": [f"{k}_0" for k in range(len(boxes))]}, geometry=shapes, crs="EPSG:25833")


def changes(old: geopandas.GeoDataFrame, new: geopandas.GeoDataFrame, ground=GROUND) -> list[tuple[str, str, str]]:
    """Kind and ids of each change."""
    ids = [[*old["id"], ""], [*new["id"], ""]]
    return sorted((k, ids[0][i], ids[1][j]) for k, i, j, _ in changed_objects(old, new, match(old, new), ground))


boxes = st.lists(
    st.builds(
        lambda x, y, w, h: (x, y, x + w, y + h),
        *(st.integers(0, 40), st.integers(0, 40), st.integers(1, 15), st.integers(1, 15)),
    ),
    max_size=12,
)


@given(boxes, boxes, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_that_of_sides_matters(first, second, random) -> None:
    old, new = table(first), table(second)
    found = changes(old, new)
    assert changes(new, old) == sorted((SWAPPED.get(kind, kind), j, i) for kind, i, j in found)
    shuffled = [frame.iloc[random.sample(range(len(frame)), len(frame))].reset_index(drop=True) for frame in (old, new)]
    assert changes(*shuffled) == found
    assert changes(old, old) == [] or len(set(first)) < len(first)


@given(boxes, boxes)
def test_every_object_has_at_most_one_counterpart_and_one_fate(first, second) -> None:
    old, new = table(first), table(second)
    pairs = match(old, new).pairs
    assert len(set(pairs.old.tolist())) == len(pairs.old) == len(set(pairs.new.tolist()))
    found = changed_objects(old, new, match(old, new), GROUND)
    for side in (1, 2):
        numbers = [c[side] for c in found if c[side] >= 0]
        assert len(set(numbers)) == len(numbers)


def test_a_move_within_the_tolerance_is_none() -> None:
    old = table([(0, 0, 10, 10)])
    assert changes(old, table([(0.3, 0.4, 10.3, 10.4)])) == []
    assert changes(old, table([(0.5, 0, 10.5, 10)])) == []
    assert changes(old, table([(0.6, 0, 10.6, 10)])) == [("changed", "0_0", "0_0")]
    assert changes(old, table([(9, 0, 19, 10)])) == [("added", "", "0_0"), ("removed", "0_0", "")]


def test_a_court_that_is_built_over_is_a_change() -> None:
    old = table([(0, 0, 10, 10)])
    old.geometry = [shapely.box(0, 0, 10, 10) - shapely.box(4, 4, 6, 6)]
    assert changes(old, table([(0, 0, 10, 10)])) == [("changed", "0_0", "0_0")]
    old.geometry = [shapely.box(0, 0, 10, 10) - shapely.box(4, 4, 4.9, 6)]  # narrower than twice the tolerance
    assert changes(old, table([(0, 0, 10, 10)])) == []


def test_a_building_in_two_halves_is_no_new_building() -> None:
    one, two = table([(0, 0, 20, 10)]), table([(0, 0, 12, 10), (12, 0, 20, 10)])
    assert changes(one, two) == [("changed", "0_0", "0_0"), ("split", "", "1_0")]
    assert changes(two, one) == [("changed", "0_0", "0_0"), ("merged", "1_0", "")]


def test_what_lies_at_unknown_ground_makes_no_changes() -> None:
    unknown = np.array([shapely.box(50, 0, 60, 60)], object)
    ground = CommonGround(GROUND.boxes, unknown, 0.5, 0.6)
    none = table([])
    for box, seen in (((30, 0, 40, 10), True), ((40, 0, 49.5, 10), False), ((52, 0, 58, 10), False)):
        assert bool(changes(none, table([box]), ground)) == seen
    assert changes(none, table([(199, 0, 220, 10)]), ground) == []
    assert changes(table([(30, 0, 60, 10)]), table([(30, 0, 49, 10)]), ground) == []  # cut on one side only


def test_what_lies_over_the_border_of_two_rasters_that_touch_is_compared() -> None:
    halves = np.array([shapely.box(0, 0, 50, 100), shapely.box(50, 0, 100, 100)], object)
    ground = CommonGround(halves, np.zeros(0, object), 0.5, 0.6)
    none = table([])
    assert changes(none, table([(45, 40, 55, 50)]), ground) == [("added", "", "0_0")]
    assert changes(none, table([(49.9, 40, 49.95, 50)]), ground) == [("added", "", "0_0")]
    assert changes(none, table([(45, 95, 55, 99.5)]), ground) == []  # the edge of both
    line = np.array([shapely.LineString([(10, 50), (90, 50)])], object)
    assert shapely.length(ground.clipped(line)).tolist() == [80]
    apart = CommonGround(np.array([halves[0], shapely.box(51, 0, 100, 100)], object), np.zeros(0, object), 0.5, 0.6)
    assert changes(none, table([(45, 40, 55, 50)]), apart) == []
    corner = CommonGround(np.array([halves[0], shapely.box(50, 100, 90, 200)], object), np.zeros(0, object), 0.5, 0.6)
    assert changes(none, table([(45, 95, 55, 105)]), corner) == []  # they touch in a point only
    assert changes(none, table([(10, 10, 20, 20), (60, 110, 70, 120)]), corner) != []

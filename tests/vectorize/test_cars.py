"""Cars that touch."""

from __future__ import annotations

import pytest
import shapely
from shapely import affinity
from shapes import pixelated, rectangle

from geoseg.vectorize.cars import split_cars


@pytest.mark.parametrize("angle", [0, 4, 30, 77])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_parked_row_is_split_into_its_cars(count: int, angle: float) -> None:
    row = shapely.union_all([rectangle(1.8, 4.4, 0, 2.02 * i) for i in range(count)]).buffer(0.13).buffer(-0.05)
    cars = split_cars(pixelated(affinity.rotate(row, angle, origin=(0, 0))))
    assert len(cars) == count
    assert all(c.kind == "car" for c in cars)
    for car in cars:
        assert abs((car.heading + angle) % 180) < 6 or abs((car.heading + angle) % 180 - 180) < 6
        assert 3.5 < car.length < 5.5


def test_heading_is_from_north_and_lorries_stay_whole() -> None:
    (lorry,) = split_cars(rectangle(10, 2.5, 30))
    assert lorry.kind == "long vehicle"
    assert lorry.heading == pytest.approx(60, abs=1)
    assert lorry.length == pytest.approx(10, abs=0.4)
    assert split_cars(rectangle(0.5, 0.5)) == []


def test_cars_that_touch_at_a_corner() -> None:
    two = shapely.union_all([rectangle(4.5, 1.8), rectangle(4.5, 1.8, 90, 2.8, 2.2)]).buffer(0.1)
    assert len(split_cars(pixelated(two))) == 2


def test_a_bump_on_a_parked_row_adds_no_second_row() -> None:
    row = shapely.union_all([shapely.box(2 * i, 0, 2 * i + 2, 4.5) for i in range(6)])
    bumped = shapely.union(row, shapely.box(7, -1.2, 7.5, 0))
    cars = split_cars(bumped)
    assert len(cars) == 6
    assert all(car.length == pytest.approx(4.5, abs=0.4) for car in cars)

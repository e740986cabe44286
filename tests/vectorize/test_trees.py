"""Crowns that touch."""

from __future__ import annotations

import pytest
import shapely
from shapes import pixelated

from geoseg.vectorize.trees import split_crowns


def test_touching_crowns_are_split_and_single_ones_are_not() -> None:
    one = shapely.Point(0, 0).buffer(2.5)
    two = shapely.union_all([one, shapely.Point(4.4, 0).buffer(2.3)])
    (crown,) = split_crowns(pixelated(one))
    assert crown.diameter == pytest.approx(5, abs=0.15)
    assert crown.point.distance(shapely.Point(0, 0)) < 0.15
    crowns = sorted(split_crowns(pixelated(two)), key=lambda c: c.point.x)
    assert len(crowns) == 2
    assert crowns[1].point.distance(shapely.Point(4.4, 0)) < 0.5
    total = sum(c.polygon.area for c in crowns)
    assert total == pytest.approx(two.area, rel=0.03)
    assert split_crowns(shapely.Point(0, 0).buffer(15))[0].kind == "canopy"
    assert split_crowns(shapely.Point(0, 0).buffer(0.3)) == []

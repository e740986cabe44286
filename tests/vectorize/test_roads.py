"""Streets and centrelines."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from geoseg.vectorize.roads import centrelines
from geoseg.vectorize.strips import carriageway


def _town() -> tuple[np.ndarray, np.ndarray]:
    """A crossing of two streets of 7 and 5 m, a footpath, a car park, at 0.25 m; a car and a crown on the street."""
    paved = np.zeros((400, 400), bool)
    paved[186:214] = True
    paved[:, 190:210] = True
    paved[40:46, :180] = True  # a path of 1.5 m
    paved[240:380, 240:380] = True  # 35 m x 35 m
    covering = np.zeros_like(paved)
    covering[192:200, 50:68] = True
    covering[180:196, 300:312] = True
    return paved & ~covering, covering


def test_streets_are_told_from_yards_and_paths() -> None:
    paved, covering = _town()
    street = carriageway(paved, covering, 0.25)
    assert street[188:212, 20:380].mean() > 0.97
    assert street[195, 60]
    assert not street[43, 100]
    assert not street[300, 300]
    assert street[20:380, 195:205].mean() > 0.97
    assert not carriageway(np.zeros((50, 50), bool), np.zeros((50, 50), bool), 0.25).any()


def test_centrelines_meet_in_one_junction() -> None:
    paved, covering = _town()
    lines = centrelines(carriageway(paved, covering, 0.25), 0.25)
    ends = [tuple(p) for line in lines for p in (line.line.coords[0], line.line.coords[-1])]
    shared = {p for p in ends if ends.count(p) > 1}
    assert 1 <= len(shared) <= 2  # thinning may draw a crossing as two forks a few pixels apart
    assert all(abs(x - 200) < 14 and abs(y - 200) < 14 for x, y in shared)
    arms = [line for line in lines if line.length > 20]
    assert len(arms) == 4
    assert sorted(round(line.width) for line in arms) == [5, 5, 7, 7]
    truth = shapely.union_all([shapely.LineString([(0, 200), (400, 200)]), shapely.LineString([(200, 0), (200, 400)])])
    inner = shapely.box(12, 12, 388, 388)
    for line in arms:
        assert (
            shapely.hausdorff_distance(
                line.line.intersection(inner).intersection(truth.buffer(4)), line.line.intersection(inner)
            )
            < 2
        )
    found = shapely.union_all([line.line for line in lines])
    assert truth.intersection(inner).intersection(found.buffer(3)).length > 0.97 * truth.intersection(inner).length


def test_spurs_go_and_rings_stay() -> None:
    y, x = np.mgrid[:200, :200]
    ring = np.abs(np.hypot(x - 100, y - 100) - 60) < 8
    ring[95:105, 165:185] = True
    (line,) = centrelines(ring, 0.25)
    assert line.line.is_ring
    assert line.length == pytest.approx(2 * np.pi * 60 * 0.25, rel=0.05)

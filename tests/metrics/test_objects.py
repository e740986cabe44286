"""Objects by overlap and by box."""

from __future__ import annotations

import math

import numpy as np

from geoseg.metrics.objects import match_boxes, match_shapes


def test_objects_by_overlap_and_by_box() -> None:
    import shapely

    truth = np.array([shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10), shapely.box(50, 0, 60, 10)], object)
    found = np.array([shapely.box(0, 0, 10, 8), shapely.box(24, 0, 34, 10), shapely.box(80, 0, 90, 10)], object)
    counts, pairs = match_shapes(truth, found)
    assert (counts.hit, counts.extra, counts.missed) == (1, 2, 2)
    assert math.isclose(counts.overlap, 0.8)
    assert pairs.tolist() == [[0, 0]]
    assert match_boxes(truth, found).hit == 2
    assert match_boxes(truth, np.array([found[0], found[0]], object)).hit == 1

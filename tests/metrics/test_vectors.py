"""Scores of vectors: identities, symmetry, known values."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from shapely import affinity

from geoseg.metrics import vectors as vm

boxes = st.builds(
    lambda x, y, w, h, angle: affinity.translate(affinity.rotate(shapely.box(0, 0, w, h), angle), x, y),
    st.floats(-50, 50),
    st.floats(-50, 50),
    st.floats(2, 20),
    st.floats(2, 20),
    st.floats(0, 180),
)

ELL = shapely.Polygon([(0, 0), (10, 0), (10, 4), (4, 4), (4, 9), (0, 9)])


@given(boxes)
@profile(max_examples=40)
def test_a_shape_is_perfect_against_itself(box: shapely.Polygon) -> None:
    assert vm.complexity_iou(box, box) == pytest.approx(1)
    assert vm.polis(box, box) == pytest.approx(0, abs=1e-9)
    assert vm.max_tangent_angle(box, box) < 0.01
    assert vm.orientation_error(box, box) == pytest.approx(0, abs=1e-6)
    assert vm.corner_error(box) < 1e-6


@given(boxes, boxes)
@profile(max_examples=40)
def test_polis_and_c_iou_are_symmetric(a: shapely.Polygon, b: shapely.Polygon) -> None:
    assert vm.polis(a, b) == pytest.approx(vm.polis(b, a))
    assert vm.complexity_iou(a, b) == pytest.approx(vm.complexity_iou(b, a))
    assert 0 <= vm.orientation_error(a, b) <= 45


def test_known_values() -> None:
    box = shapely.box(0, 0, 10, 10)
    assert vm.polis(box, shapely.box(-1, -1, 11, 11)) == pytest.approx((1 + 2**0.5) / 2)
    half = shapely.segmentize(box, 5)  # 8 vertices against 4
    assert vm.complexity_iou(half, box) == pytest.approx(1 - 4 / 12)
    assert vm.orientation_error(affinity.rotate(box, 30), box) == pytest.approx(30)
    assert vm.orientation_error(affinity.rotate(ELL, 80), ELL) == pytest.approx(10)
    assert vm.corner_error(shapely.Polygon([(0, 0), (10, 0), (5, 8.660254)])) == pytest.approx(30, abs=0.01)
    tilted = affinity.rotate(shapely.box(0, 0, 40, 2), 10)
    assert vm.max_tangent_angle(shapely.box(0, 0, 40, 2).intersection(tilted.buffer(9)), tilted) >= 9
    holed = shapely.Polygon(box.exterior.coords, [shapely.box(3, 3, 6, 6).exterior.coords])
    assert vm.corners(holed) == 8
    assert vm.max_tangent_angle(holed, holed) < 0.01


def test_outlines_within_a_distance() -> None:
    a, b = np.array([shapely.box(0, 0, 10, 10)]), np.array([shapely.box(0.3, 0, 10.3, 10)])
    assert vm.boundary_f1(a, a, 0.1) == 1
    assert vm.boundary_f1(a, b, 0.5) == 1
    assert 0.4 < vm.boundary_f1(a, b, 0.1) < 0.6
    nothing = np.zeros(0, object)
    assert vm.boundary_f1(nothing, nothing, 1) is None
    assert vm.boundary_f1(a, nothing, 1) == 0


def test_centrelines_by_length() -> None:
    truth = np.array([shapely.LineString([(0, 0), (100, 0)]), shapely.LineString([(50, 0), (50, 50)])])
    half = np.array([shapely.LineString([(0, 0.5), (75, 0.5)])])
    scores = vm.centreline_scores(half, truth, 1.0)
    assert scores["correctness"] == pytest.approx(1)
    assert scores["completeness"] == pytest.approx(77 / 150, abs=0.01)  # and what lies within reach of it across
    assert vm.centreline_scores(truth, truth)["quality"] == pytest.approx(1)
    assert vm.centreline_scores(np.zeros(0, object), truth)["correctness"] is None


def test_crowns_and_objects() -> None:
    truth = np.array([shapely.Point(10 * k, 0).buffer(2, 64) for k in range(4)])
    found = np.array([shapely.Point(10 * k + 0.3, 0).buffer(2.2, 64) for k in range(3)])
    scores = vm.crown_scores(found, truth)
    assert scores["count_error"] == -0.25
    assert scores["diameter_error_m"] == pytest.approx(0.4, abs=0.01)
    assert scores["centre_distance_m"] == pytest.approx(0.3, abs=1e-3)
    objects = vm.object_scores(found, truth)
    assert (objects["precision"], objects["recall"]) == (1, 0.75)
    assert 0 < objects["f1_50_95"] < objects["f1"]
    assert vm.object_scores(truth, truth)["f1_50_95"] == 1
    assert vm.shape_scores(found[:0], truth)["polis_m"] is None

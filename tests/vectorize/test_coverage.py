"""New outlines inside a coverage."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapes import assert_clean
from strategies import smooth_raster

from geoseg.vectorize.coverage import coverage_figures, straight_on
from geoseg.vectorize.insert import Keep, set_into
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.simplify import simplify
from geoseg.vectorize.trace import trace_rings


def keep(least: np.ndarray, fixed: np.ndarray | None = None, swallowed: float = 0.0) -> Keep:
    """No polygon of any family; none fixed where nothing else is said."""
    none = np.zeros(len(least), bool)
    return Keep(least, none if fixed is None else fixed, swallowed, np.full(len(least), -1))


@pytest.mark.parametrize("seed", range(6))
def test_new_outlines_leave_no_gap_and_no_overlap(seed: int) -> None:
    """Rectangles set over some polygons of a busy coverage: they come out as they are, all else follows."""
    raster = merge_small(smooth_raster(seed, 150), dict.fromkeys(range(5), 60), skip=255)
    raster[:20, :30] = 255
    rings = trace_rings(raster)
    before = simplify(rings, raster, 4.0)
    chosen = [int(i) for i in np.flatnonzero(rings.values == 1) if 200 < rings.pixels[i] < 4000]
    new = {i: shapely.oriented_envelope(before[i].buffer(-1.5)) for i in chosen}
    assert new
    placed = set_into(before, new, keep(np.full(len(before), 20.0), rings.values == 255))
    assert_clean(placed.polygons, raster.size)
    nothing = placed.polygons[rings.values[placed.owner] == 255]
    assert shapely.area(nothing).sum() == pytest.approx(shapely.area(before[rings.values == 255]).sum(), abs=1e-9)
    assert set(placed.owner.tolist()) == set(range(len(before)))  # nobody is swallowed


def test_an_outline_of_its_own_keeps_its_corners_and_neighbours_follow() -> None:
    raster = np.zeros((60, 80), np.uint8)
    raster[:, 40:] = 2
    raster[20:40, 25:55] = 1
    raster[18:20, 30:33] = 1  # a bump
    rings = trace_rings(raster)
    before = simplify(rings, raster, 1.0)
    (building,) = np.flatnonzero(rings.values == 1)
    box = shapely.box(24.5, 19.5, 55.25, 40.25)
    placed = set_into(before, {int(building): box}, keep(np.zeros(3)))
    assert_clean(placed.polygons, raster.size)
    mine = placed.polygons[placed.owner == building][0]
    assert mine.equals(box)
    assert shapely.get_num_coordinates(straight_on(np.array([mine]))[0]) == 5
    assert (placed.part == 0).all()


def test_many_vertices_on_a_gentle_curve_stay() -> None:
    raster = np.zeros((200, 200), np.uint8)
    raster[:, 100:] = 2
    raster[60:140, 60:140] = 1
    rings = trace_rings(raster)
    (tank,) = np.flatnonzero(rings.values == 1)
    circle = shapely.Point(100, 100).buffer(45, quad_segs=200)
    placed = set_into(simplify(rings, raster, 1.0), {int(tank): circle}, keep(np.zeros(3)))
    assert_clean(placed.polygons, raster.size)
    assert placed.polygons[placed.owner == tank][0].symmetric_difference(circle).area < 0.01 * circle.area


@pytest.mark.parametrize(("side", "left"), [(3, 1), (10, 2)])
def test_a_speck_on_a_roof_goes_and_a_terrace_stays(side: int, left: int) -> None:
    roof, speck = shapely.box(0, 0, 40, 40), shapely.box(20, 20, 20 + side, 20 + side)
    cover = np.array([roof.difference(speck), speck], object)
    placed = set_into(cover, {0: roof}, keep(np.zeros(2), swallowed=50.0))
    assert len(placed.polygons) == left
    assert coverage_figures(placed.polygons, 1600.0).gap == pytest.approx(0)

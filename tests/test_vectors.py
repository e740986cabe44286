"""Vectors: coverages without gap or overlap, right angles, cars and crowns that touch."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy import ndimage
from shapely import affinity

from geoseg.vectorize.boxes import smallest_box
from geoseg.vectorize.buildings import SquareOptions, square_building
from geoseg.vectorize.cars import split_cars
from geoseg.vectorize.coverage import coverage_figures, set_into, straight_on
from geoseg.vectorize.dice import DICED, Codes, coded, first_pixels
from geoseg.vectorize.labels import label_regions
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.roads import carriageway, centrelines
from geoseg.vectorize.simplify import noded, simplified
from geoseg.vectorize.trace import trace, trace_rings
from geoseg.vectorize.trees import split_crowns

rasters = st.builds(
    lambda seed, high, wide, classes: np.random.default_rng(seed).integers(0, classes, (high, wide)).astype(np.uint8),
    st.integers(0, 10_000),
    st.integers(2, 24),
    st.integers(2, 24),
    st.integers(2, 5),
)


def smooth_raster(seed: int, side: int, classes: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (
        np.stack([ndimage.gaussian_filter(rng.standard_normal((side, side)), 5) for _ in range(classes)])
        .argmax(0)
        .astype(np.uint8)
    )


def rectangle(length: float, width: float, angle: float = 0.0, x: float = 0.0, y: float = 0.0) -> shapely.Polygon:
    return affinity.translate(
        affinity.rotate(shapely.box(-length / 2, -width / 2, length / 2, width / 2), angle, origin=(0, 0)), x, y
    )


def pixelated(shape: shapely.Geometry, pixel: float = 0.05) -> shapely.Polygon:
    """The outline of what a raster of a shape shows, as a class raster gives it."""
    left, bottom, right, top = shape.bounds
    from rasterio.transform import Affine

    place = Affine(pixel, 0, left - 1, 0, -pixel, top + 1)
    size = int((top - bottom + 2) / pixel), int((right - left + 2) / pixel)
    regions = trace(rasterize([shape], out_shape=size, transform=place, dtype="uint8"), skip=0)
    largest = regions.polygons[int(np.argmax(regions.pixels))]
    return shapely.transform(
        largest, lambda xy: np.column_stack([xy[:, 0] * pixel + left - 1, top + 1 - xy[:, 1] * pixel])
    )


# Small regions


@given(rasters, st.integers(1, 9))
@profile(max_examples=60)
def test_no_small_region_is_left(raster: np.ndarray, least: int) -> None:
    clean = merge_small(raster, dict.fromkeys(range(5), least), skip=255)
    labels, pixels = label_regions(clean)
    sizes = pixels[np.unique(labels)]
    assert sizes.min() >= least or len(sizes) == 1
    if least == 1:
        assert np.array_equal(clean, raster)


@given(rasters, st.integers(2, 9))
@profile(max_examples=40)
def test_large_regions_and_no_data_keep_their_pixels(raster: np.ndarray, least: int) -> None:
    raster = np.where(raster == 1, 255, raster).astype(np.uint8)
    clean = merge_small(raster, dict.fromkeys(range(5), least), skip=255)
    assert np.array_equal(clean == 255, raster == 255)
    labels, pixels = label_regions(raster)
    large = pixels[labels] >= least
    assert np.array_equal(clean[large], raster[large])


def test_small_regions_go_to_the_longest_edge() -> None:
    raster = np.zeros((9, 9), np.uint8)
    raster[:, 5:] = 1
    raster[3:6, 4:6] = 2  # 3 + 2 edges with class 0 and 3 + 2 with 1, shifted so that one side is longer
    raster[3:6, 3] = 2
    clean = merge_small(raster, {2: 20}, skip=255)
    assert set(np.unique(clean)) == {0, 1}
    assert (clean[3:6, 3:5] == 0).all()


# Coverages


@given(rasters)
@profile(max_examples=60)
def test_noded_outlines_are_a_valid_coverage(raster: np.ndarray) -> None:
    rings = trace_rings(raster)
    exact = noded(rings, raster)
    assert shapely.coverage_is_valid(exact)
    assert shapely.area(exact).sum() == raster.size
    assert np.array_equal(shapely.area(exact), shapely.area(rings.polygons()))
    assert np.array_equal(shapely.area(exact), rings.pixels)


def _assert_clean(polygons: np.ndarray, area: float) -> None:
    figures = coverage_figures(polygons, area)
    assert (figures.invalid, figures.matched) == (0, True)
    assert shapely.area(polygons).sum() == pytest.approx(area, rel=1e-12)


@given(rasters, st.sampled_from([1.0, 3.0, 30.0]))
@profile(max_examples=80)
def test_simplified_noise_has_no_gap_and_no_overlap(raster: np.ndarray, tolerance: float) -> None:
    """Noise is the worst there is: nodes everywhere, holes in holes, corners that touch."""
    _assert_clean(simplified(trace_rings(raster), raster, tolerance), raster.size)


@given(st.integers(0, 500), st.sampled_from([0.0, 2.0, 5.0, 12.0]))
@profile(max_examples=25)
def test_simplified_coverage_has_no_gap_and_no_overlap(seed: int, tolerance: float) -> None:
    raster = merge_small(smooth_raster(seed, 90), dict.fromkeys(range(5), 12), skip=255)
    rings = trace_rings(raster)
    simple = simplified(rings, raster, tolerance)
    _assert_clean(simple, raster.size)
    if tolerance:
        assert shapely.get_num_coordinates(simple).sum() < 0.5 * len(noded_points(rings, raster))


def noded_points(rings, raster: np.ndarray) -> np.ndarray:
    return shapely.get_coordinates(noded(rings, raster))


@given(rasters, st.integers(0, 9))
@profile(max_examples=40)
def test_polygons_simplified_alone_are_those_of_the_whole(raster: np.ndarray, pick: int) -> None:
    """Each by itself, in any order: the same bytes as all at once. This is what lets a raster be done in parts."""
    rings = trace_rings(raster)
    together = simplified(rings, raster, 3.0)
    i = pick % len(rings)
    alone = simplified(rings.chosen(np.array([i]), rings.values), raster, 3.0)[0]
    assert shapely.to_wkb(alone) == shapely.to_wkb(together[i])


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 40))
@profile(max_examples=30)
def test_simplified_polygons_do_not_hang_on_the_rest_of_the_raster(seed: int, up: int, left: int) -> None:
    """Polygons that do not reach a cut are the same in a crop, corner by corner: pieces give the bytes of the whole."""
    raster = smooth_raster(seed, 120)
    whole, part = trace_rings(raster), trace_rings(raster[up:, left:])
    polygons = simplified(whole, raster, 5.0)
    cut = (
        {
            tuple(f): p
            for f, p in zip(
                np.add(part.first, [up, left]).tolist(), simplified(part, raster[up:, left:], 5.0), strict=True
            )
        }
        if len(part)
        else {}
    )
    inside = np.flatnonzero((shapely.bounds(whole.polygons())[:, :2] > [left + 1, up + 1]).all(1))
    neighbours = shapely.STRtree(whole.polygons())
    for i in inside:
        near = neighbours.query(whole.polygons()[i], predicate="intersects")
        if (shapely.bounds(whole.polygons()[near])[:, :2] > [left, up]).all():
            moved = shapely.transform(cut[tuple(whole.first[i].tolist())], lambda xy: np.add(xy, [left, up]))
            assert shapely.to_wkb(moved) == shapely.to_wkb(polygons[i])


def test_small_regions_as_if_one_had_painted_them_one_by_one() -> None:
    """Against an oracle that looks for the smallest region of the raster as it is, paints it, and looks again."""
    rng = np.random.default_rng(4)
    for _ in range(60):
        high, wide = rng.integers(1, 13, 2)
        raster = rng.integers(0, rng.integers(2, 6), (high, wide)).astype(np.uint8)
        raster[raster == 4] = 255
        least = {v: int(rng.integers(0, 12)) for v in range(4)}
        assert np.array_equal(merge_small(raster, least, skip=255), _painted_one_by_one(raster, least))


def _painted_one_by_one(raster: np.ndarray, least: dict[int, int]) -> np.ndarray:
    raster = raster.copy()
    while True:
        labels, pixels = label_regions(raster)
        value = dict(zip(labels.ravel().tolist(), raster.ravel().tolist(), strict=True))
        edges: dict[int, dict[int, int]] = {i: {} for i in value}
        for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
            for i, j in zip(a[a != b].tolist(), b[a != b].tolist(), strict=True):
                edges[i][j] = edges[j][i] = edges[i].get(j, 0) + 1
        able = {i: {j: n for j, n in edges[i].items() if value[j] != 255} for i in value if value[i] != 255}
        small = [(int(pixels[i]), i) for i, around in able.items() if around and pixels[i] < least.get(value[i], 0)]
        if not small:
            return raster
        _, smallest = min(small)
        taker = min(able[smallest], key=lambda j: (-able[smallest][j], j))
        raster[labels == smallest] = value[taker]


# New outlines inside a coverage


@pytest.mark.parametrize("seed", range(6))
def test_new_outlines_leave_no_gap_and_no_overlap(seed: int) -> None:
    """Rectangles set over some polygons of a busy coverage: they come out as they are, all else follows."""
    raster = merge_small(smooth_raster(seed, 150), dict.fromkeys(range(5), 60), skip=255)
    raster[:20, :30] = 255
    rings = trace_rings(raster)
    before = simplified(rings, raster, 4.0)
    chosen = [int(i) for i in np.flatnonzero(rings.values == 1) if 200 < rings.pixels[i] < 4000]
    new = {i: shapely.oriented_envelope(before[i].buffer(-1.5)) for i in chosen}
    assert new
    placed = set_into(before, new, np.full(len(before), 20.0), rings.values == 255)
    _assert_clean(placed.polygons, raster.size)
    nothing = placed.polygons[rings.values[placed.owner] == 255]
    assert shapely.area(nothing).sum() == pytest.approx(shapely.area(before[rings.values == 255]).sum(), abs=1e-9)
    assert set(placed.owner.tolist()) == set(range(len(before)))  # nobody is swallowed


def test_an_outline_of_its_own_keeps_its_corners_and_neighbours_follow() -> None:
    raster = np.zeros((60, 80), np.uint8)
    raster[:, 40:] = 2
    raster[20:40, 25:55] = 1
    raster[18:20, 30:33] = 1  # a bump
    rings = trace_rings(raster)
    before = simplified(rings, raster, 1.0)
    (building,) = np.flatnonzero(rings.values == 1)
    box = shapely.box(24.5, 19.5, 55.25, 40.25)
    placed = set_into(before, {int(building): box}, np.zeros(3), np.zeros(3, bool))
    _assert_clean(placed.polygons, raster.size)
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
    placed = set_into(simplified(rings, raster, 1.0), {int(tank): circle}, np.zeros(3), np.zeros(3, bool))
    _assert_clean(placed.polygons, raster.size)
    assert placed.polygons[placed.owner == tank][0].symmetric_difference(circle).area < 0.01 * circle.area


# Giants


def test_giants_are_diced_on_an_anchored_grid() -> None:
    raster = smooth_raster(8, 160, 3)
    rings = trace_rings(raster)
    codes = Codes((0, 1, 2), 255)
    whole = slice(0, 160), slice(0, 160)
    coded_raster = coded(raster, codes, whole, (-37, 1000), (0, 0), largest=1000, cell=32, giant=150)
    assert np.array_equal(codes.value_of[coded_raster], raster)
    pieces = trace_rings(coded_raster)
    corners = np.diff(rings.rings[rings.parts]) - np.diff(rings.parts)  # rings are closed
    giants = {tuple(f) for f, n in zip(rings.first.tolist(), corners, strict=True) if n > 150}
    assert giants
    area = {g: 0 for g in giants}
    wholes = first_pixels(raster, pieces.first).tolist()
    for first, polygon, pixels, code in zip(wholes, pieces.polygons(), pieces.pixels, pieces.values, strict=True):
        assert (codes.state_of[code] >= DICED) == (tuple(first) in giants)
        if tuple(first) in giants:
            area[tuple(first)] += int(pixels)
            left, top, right, bottom = polygon.bounds
            assert right - left <= 32
            assert bottom - top <= 32
            assert (left + 1000) // 32 == (right + 999) // 32
    sizes = {tuple(f): int(n) for f, n in zip(rings.first.tolist(), rings.pixels, strict=True)}
    assert all(area[g] == sizes[g] for g in giants)
    _assert_clean(simplified(pieces, coded_raster, 4.0), raster.size)


# Buildings


@given(st.floats(4, 30), st.floats(4, 20), st.floats(0, 90))
@profile(max_examples=40)
def test_rectangles_come_back_from_their_pixels(length: float, width: float, angle: float) -> None:
    truth = rectangle(length, width, angle)
    found = square_building(pixelated(truth))
    assert found.status == "squared"
    assert shapely.get_num_coordinates(found.polygon) == 5
    assert found.polygon.intersection(truth).area / found.polygon.union(truth).area > 0.93


ELL = shapely.Polygon([(-7, -5), (7, -5), (7, 0), (1, 0), (1, 5), (-7, 5)])
TEE = shapely.Polygon([(-7, 0), (-7, 4), (7, 4), (7, 0), (2.5, 0), (2.5, -6), (-2.5, -6), (-2.5, 0)])
COURT = shapely.Polygon(shapely.box(-8, -7, 8, 7).exterior.coords, [shapely.box(-4, -3, 3, 3).exterior.coords])
CUT = shapely.Polygon([(-7, -5), (7, -5), (7, 2), (3, 6), (-7, 6)])


@pytest.mark.parametrize(("shape", "corners"), [(ELL, 6), (TEE, 8), (COURT, 8), (CUT, 5)])
@pytest.mark.parametrize("angle", [0, 17, 33, 45, 71])
def test_plans_come_back_with_their_corners(shape: shapely.Polygon, corners: int, angle: float) -> None:
    """L, T, courtyard, and one corner cut at 45 degrees."""
    truth = affinity.rotate(shape, angle, origin=(0, 0))
    found = square_building(pixelated(truth))
    assert found.status == "squared"
    rings = shapely.get_rings(found.polygon)
    assert shapely.get_num_coordinates(found.polygon) - len(rings) == corners
    assert found.polygon.intersection(truth).area / found.polygon.union(truth).area > 0.95
    assert found.iou > 0.95


def test_squaring_does_not_hang_on_the_place() -> None:
    raw = shapely.set_precision(pixelated(affinity.rotate(TEE, 20, origin=(0, 0))), 1 / 64)
    here, there = square_building(raw), square_building(affinity.translate(raw, 4096, -256))
    assert shapely.hausdorff_distance(affinity.translate(here.polygon, 4096, -256), there.polygon) < 1e-6


def test_round_ones_stay_round_and_odd_ones_keep_their_outline() -> None:
    tank = square_building(pixelated(shapely.Point(0, 0).buffer(6)))
    assert tank.status == "round"
    assert tank.iou > 0.97
    star = shapely.Polygon(
        [(np.cos(t) * r, np.sin(t) * r) for t, r in zip(np.linspace(0, 2 * np.pi, 11)[:-1], [9, 3.5] * 5, strict=True)]
    )
    odd = square_building(pixelated(star), SquareOptions(least_iou=0.95))
    assert odd.status == "simplified"
    assert odd.polygon.is_valid


@given(st.integers(0, 400))
@profile(max_examples=40)
def test_whatever_comes_in_a_valid_polygon_goes_out(seed: int) -> None:
    regions = trace((smooth_raster(seed, 60, 2) == 1).astype(np.uint8), skip=0)
    for raw in regions.polygons:
        found = square_building(affinity.scale(raw, 0.2, 0.2, origin=(0, 0)))
        assert found.polygon.is_valid
        assert not found.polygon.is_empty
        assert found.status in ("squared", "round", "simplified")
        assert 0 <= found.iou <= 1.0000001


# Cars and crowns


@given(st.floats(0.5, 30), st.floats(0.5, 30), st.floats(0, 180), st.integers(0, 100))
@profile(max_examples=60)
def test_the_smallest_box_of_a_box_is_that_box(length: float, width: float, angle: float, seed: int) -> None:
    box = rectangle(length, width, angle, 7.5, -3)
    noise = np.random.default_rng(seed).normal(0, 1e-4, (200, 2))  # edges of a tenth of a millimetre
    outline = shapely.segmentize(box, 0.5).exterior
    points = shapely.get_coordinates(outline)[:200]
    corner, a, b = smallest_box(shapely.MultiPoint(points + noise[: len(points)]))
    around = shapely.Polygon([corner, corner + a, corner + a + b, corner + b])
    assert np.hypot(*a) >= np.hypot(*b) > 0
    whole = shapely.MultiPoint(points)
    assert whole.within(around.buffer(0.01))
    assert around.area <= 1.02 * shapely.oriented_envelope(box).area + 0.01


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


# Streets


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


def test_buildings_that_cannot_be_set_into_the_coverage_keep_their_outlines(monkeypatch, caplog) -> None:
    """Whatever goes wrong with squaring, the land cover stays clean, and `status` says what the buildings are."""
    from geoseg.classes import ISPRS
    from geoseg.options import MosaicOptions
    from geoseg.stages.features import piece
    from geoseg.stages.features.memory import array_raster, features_of

    raster = np.full((120, 160), 2, np.uint8)
    raster[30:80, 40:120] = 1
    place = array_raster(raster, Affine(0.1, 0, 368000, 0, -0.1, 5808000), "EPSG:25833", ISPRS)
    options = MosaicOptions(layers=("landcover", "buildings"))

    def broken(*_: object) -> None:
        raise ValueError("no luck")

    squared = features_of(place, options)
    monkeypatch.setattr(piece, "set_into", broken)
    plain = features_of(place, options)
    assert "no luck" in caplog.text
    for (cover, buildings), status in ((squared, "squared"), (plain, "simplified")):
        assert buildings.frame["status"].tolist() == [status]
        assert buildings.frame["area_m2"].iloc[0] == pytest.approx(40, rel=0.02)
        assert cover.frame.area.sum() == pytest.approx(raster.size * 0.01)
        assert cover.frame.is_valid.all()


def test_a_bump_on_a_parked_row_adds_no_second_row() -> None:
    row = shapely.union_all([shapely.box(2 * i, 0, 2 * i + 2, 4.5) for i in range(6)])
    bumped = shapely.union(row, shapely.box(7, -1.2, 7.5, 0))
    cars = split_cars(bumped)
    assert len(cars) == 6
    assert all(car.length == pytest.approx(4.5, abs=0.4) for car in cars)


@pytest.mark.parametrize(("side", "left"), [(3, 1), (10, 2)])
def test_a_speck_on_a_roof_goes_and_a_terrace_stays(side: int, left: int) -> None:
    roof, speck = shapely.box(0, 0, 40, 40), shapely.box(20, 20, 20 + side, 20 + side)
    cover = np.array([roof.difference(speck), speck], object)
    placed = set_into(cover, {0: roof}, np.zeros(2), np.zeros(2, bool), swallowed=50.0)
    assert len(placed.polygons) == left
    assert coverage_figures(placed.polygons, 1600.0).gap == pytest.approx(0)

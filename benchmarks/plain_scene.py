"""A plain scene with exact truth for `vector_quality.py`: houses, streets, a car park, cars, street trees.

Nothing hides anything but crowns each other, so every score of the vectors is one of vectorising. Metres, y up; 102.4
x 102.4 m at 5 cm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.features import rasterize
from rasterio.transform import from_origin
from shapely import affinity

GSD, SIZE = 0.05, 2048
METRES = SIZE * GSD
PAVED, BUILDING, LOW, TREE, CAR, CLUTTER = range(6)


@dataclass(frozen=True)
class PlainScene:
    """labels uint8 (H, W) and the outlines that they were drawn from."""

    labels: np.ndarray
    objects: dict[str, np.ndarray]
    centrelines: np.ndarray


def _at(shape: shapely.Geometry, x: float, y: float, degrees: float) -> shapely.Geometry:
    return affinity.translate(affinity.rotate(shape, degrees, origin=(0, 0)), x, y)


def _slab(wide: float, high: float) -> shapely.Polygon:
    return shapely.box(-wide / 2, -high / 2, wide / 2, high / 2)


def _houses(rng: np.random.Generator, streets: shapely.Geometry, car_park: shapely.Polygon) -> list[shapely.Polygon]:
    """One house on each lot that no street crosses: rectangles, L, T, courtyards, at any angle."""
    ell = shapely.union(_slab(12, 5), affinity.translate(_slab(6, 5), -3, 4.5))
    tee = shapely.union(_slab(12, 4), affinity.translate(_slab(4, 6), 0.5, -4.5))
    court = shapely.difference(_slab(12, 10), _slab(5.5, 4))
    shapes = [_slab(9, 6.5), ell, _slab(7.5, 11), tee, court]
    found: list[shapely.Polygon] = []
    for i, (x, y) in enumerate((x, y) for y in (12, 31, 73, 91) for x in (11, 29, 46, 77, 93)):
        house = _at(shapes[i % 5], x + rng.uniform(-1, 1), y + rng.uniform(-1, 1), rng.uniform(0, 90))
        if (
            house.distance(streets) > 0.5
            and house.distance(car_park) > 0.5
            and all(house.distance(h) > 2 for h in found)
        ):
            found.append(house)
    return found


def _cars(rng: np.random.Generator, main: shapely.LineString, car_park: shapely.Polygon) -> list[shapely.Polygon]:
    """Two rows side by side, a hand apart, and some on the street."""
    left, bottom, _, _ = car_park.bounds
    tilt = rng.uniform(-5, 5)
    parked = [_at(_slab(1.8, 4.4), left + 2 + 2.05 * i, bottom + y, tilt) for y in (4.5, 12.5) for i in range(7)]
    parked.pop(int(rng.integers(7, 14)))
    moving = []
    for place in np.arange(8, 98, 13) + rng.uniform(-3, 3, 7):
        a, b = (shapely.get_coordinates(main.interpolate(p))[0] for p in (place, place + 0.5))
        along = (b - a) / np.hypot(*(b - a))
        x, y = a + 1.3 * np.array([along[1], -along[0]])
        moving.append(_at(_slab(4.5, 1.8), x, y, float(np.degrees(np.arctan2(along[1], along[0])))))
    return parked + moving


def _crowns(rng: np.random.Generator, taken: shapely.Geometry, count: int = 34) -> list[shapely.Polygon]:
    """Discs on free ground; about a third stand in pairs that touch, at least 0.85 of the sum of their radii apart."""
    shapely.prepare(taken)
    circles: list[tuple[float, float, float]] = []
    touching: set[int] = set()
    for _ in range(6000):
        x, y, r = rng.uniform(4, METRES - 4), rng.uniform(4, METRES - 4), rng.uniform(1, 3.2)
        if taken.intersects(shapely.Point(x, y).buffer(r)):
            continue
        near = [i for i, (a, b, s) in enumerate(circles) if np.hypot(a - x, b - y) < r + s + 0.1]
        apart = all(np.hypot(circles[i][0] - x, circles[i][1] - y) > 0.85 * (circles[i][2] + r) for i in near)
        if len(near) > 1 or not apart or (near and (len(touching) >= count // 3 or near[0] in touching)):
            continue
        if near:
            touching |= {near[0], len(circles)}
        circles.append((x, y, r))
        if len(circles) == count:
            break
    return [shapely.Point(x, y).buffer(r) for x, y, r in circles]


def plain_scene(seed: int) -> PlainScene:
    """A scene from a seed."""
    rng = np.random.default_rng(seed)
    t, phase = np.linspace(-5, METRES + 5, 120), rng.uniform(0, 6)
    main = shapely.LineString(np.column_stack([t, 51 + 4 * np.sin(t / 18 + phase)]))
    side = shapely.LineString([(60 + rng.uniform(-1, 1), -5), (57 + rng.uniform(-1, 1), METRES + 5)])
    streets = shapely.union(main.buffer(3.5, cap_style="flat"), side.buffer(2.5, cap_style="flat"))
    car_park = shapely.box(83, 2, 102, 19)
    houses, cars = _houses(rng, streets, car_park), _cars(rng, main, car_park)
    crowns = _crowns(rng, shapely.union_all([*houses, streets, car_park]).buffer(0.3))
    heap = shapely.box(1, 1, 8, 5)
    burnt = [(streets, PAVED), (car_park, PAVED), (heap, CLUTTER)]
    burnt += [(c, TREE) for c in crowns] + [(h, BUILDING) for h in houses] + [(c, CAR) for c in cars]
    labels = rasterize(burnt, (SIZE, SIZE), fill=LOW, transform=from_origin(0, METRES, GSD, GSD), dtype="uint8")
    frame = shapely.box(0, 0, METRES, METRES)
    objects = {"building": houses, "car": cars, "tree": crowns}
    return PlainScene(
        labels,
        {name: np.array(shapes, object) for name, shapes in objects.items()},
        np.array([line.intersection(frame) for line in (main, side)], object),
    )

"""Seed to layout: streets first, then lots with buildings, then what stands around them.

Every number comes from one seeded generator and lies in metres, so a layout does not depend on the pixel size.
Nothing here draws.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np
import shapely

from geoseg.scenes.objects import Block, Building, Car, Clutter, Frame, Street, Style, Tree
from geoseg.scenes.outlines import outline

__all__ = ["Layout", "make_layout", "random_style"]

QUARTERS = ("suburb", "dense", "commercial", "park")

# Metres, per quarter: gap between streets, lot front, building depth, setback; trees per square metre.
_GAP = {"suburb": (34, 48), "dense": (36, 56), "commercial": (52, 90), "park": (60, 110)}
_FRONT = {"suburb": (13, 22), "dense": (16, 34), "commercial": (28, 56), "park": (20, 50)}
_DEPTH = {"suburb": (9, 14), "dense": (12, 18), "commercial": (18, 36), "park": (8, 14)}
_SETBACK = {"suburb": (1, 4), "dense": (0, 2), "commercial": (2, 9), "park": (2, 10)}
_BUILT = {"suburb": 0.97, "dense": 0.98, "commercial": 0.95, "park": 0.6}
_PAVED = {"suburb": 0.3, "dense": 0.6, "commercial": 0.75, "park": 0.2}
_TREES = {"suburb": 0.013, "dense": 0.011, "commercial": 0.007, "park": 0.02}
_CLUTTER = {"suburb": 0.0024, "dense": 0.0018, "commercial": 0.0016, "park": 0.0014}


@dataclass
class Layout:
    """All objects of one scene, each list in painter's order."""

    width: float
    height: float
    style: Style
    frame: Frame
    streets: list[Street] = field(default_factory=list)
    grounds: list[Block] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    clutter: list[Clutter] = field(default_factory=list)
    cars: list[Car] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)


class Occupancy:
    """Which ground is taken, by outlines in buckets of 32 m."""

    def __init__(self) -> None:
        self.buckets: dict[tuple[int, int], list[shapely.Geometry]] = defaultdict(list)

    def _keys(self, shape: shapely.Geometry) -> list[tuple[int, int]]:
        x0, y0, x1, y1 = (math.floor(v / 32) for v in shape.bounds)
        return [(x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)]

    def add(self, shape: shapely.Geometry) -> None:
        """Take this ground."""
        for key in self._keys(shape):
            self.buckets[key].append(shape)

    def hits(self, shape: shapely.Geometry) -> bool:
        """Whether any taken ground meets this shape."""
        return any(s.intersects(shape) for key in self._keys(shape) for s in self.buckets.get(key, ()))


def random_style(rng: np.random.Generator, quarter: str | None = None) -> Style:
    """A quarter, a sun and a camera, wide enough that a network trained on many of them is not fooled by one."""
    tint = rng.normal(0, 0.04, 3)
    return Style(
        quarter=quarter or str(rng.choice(QUARTERS, p=[0.5, 0.26, 0.12, 0.12])),
        sun_elevation=float(rng.uniform(32, 60)),
        sun_azimuth=float(rng.uniform(0, 360)),
        leaf_off=bool(rng.uniform() < 0.25),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        saturation=float(rng.uniform(0.6, 1.1)),
        gamma=float(rng.uniform(0.42, 0.58)),
        sky=float(rng.uniform(0.18, 0.34)),
        exposure=float(rng.uniform(1.5, 2.2)),
        blur=float(rng.uniform(0.45, 0.9)),
        noise=float(rng.uniform(0.004, 0.014)),
        contrast=float(rng.uniform(0.88, 1.12)),
        haze=float(rng.uniform(0.0, 0.04)),
    )


def make_layout(seed: int, width: float, height: float, style: Style | None = None) -> Layout:
    """Lay out a scene of width x height metres; objects reach beyond the edge, as in a real sheet."""
    rng = np.random.default_rng(seed)
    drawn = random_style(rng)
    frame = Frame(
        angle=float(rng.uniform(0, math.pi)),
        bend=float(rng.uniform(0, 4)),
        wavelength=float(rng.uniform(30, 70)),
        phase=float(rng.uniform(0, 6.28)),
        x0=width / 2,
        y0=height / 2,
    )
    layout = Layout(width, height, style or drawn, frame)
    taken, roads = Occupancy(), Occupancy()
    _streets(rng, layout, roads)
    lots = _lots(rng, layout, taken, roads)
    _car_parks(rng, layout, taken, roads)
    _annexes(rng, layout, taken, roads)
    _ground_patches(rng, layout)
    _clutter(rng, layout, taken, roads)
    _kerb_cars(rng, layout, lots)
    _trees(rng, layout, taken, roads, lots)
    return layout


def _inside(layout: Layout, x: float, y: float, reach: float) -> bool:
    return -reach <= x <= layout.width + reach and -reach <= y <= layout.height + reach


def _streets(rng: np.random.Generator, layout: Layout, roads: Occupancy) -> None:
    low, high = _GAP[layout.style.quarter]
    extent = math.hypot(layout.width, layout.height) * 0.55 + 20
    for axis, scale in (("u", 1.0), ("v", 1.7)):
        position = -extent + float(rng.uniform(0, high))
        while position < extent:
            wide = float(rng.uniform(4.6, 8.5))
            street = Street(
                axis=axis,
                position=position,
                width=wide,
                verge=float(rng.uniform(0.8, 2.2)) if rng.uniform() < 0.4 else 0.0,
                pavement=float(rng.uniform(1.2, 2.8)),
                dashes=bool(wide > 6 and rng.uniform() < 0.6),
                zebra=float(rng.uniform(-40, 40)) if rng.uniform() < 0.4 else math.inf,
            )
            layout.streets.append(street)
            roads.add(outline(street, layout))
            position += float(rng.uniform(low, high)) * scale


def _building(
    rng: np.random.Generator, quarter: str, x: float, y: float, angle: float, long: float, deep: float
) -> Building:
    wings = [(0.0, 0.0, long / 2, deep / 2)]
    if rng.uniform() < 0.5:
        wings.append(
            (
                float(rng.uniform(-0.3, 0.3)) * long,
                float(rng.choice([-1, 1])) * deep * 0.5,
                long * float(rng.uniform(0.2, 0.32)),
                deep * float(rng.uniform(0.35, 0.65)),
            )
        )
    if rng.uniform() < 0.2:
        wings.append(
            (
                float(rng.choice([-1, 1])) * long * 0.45,
                0.0,
                long * float(rng.uniform(0.2, 0.3)),
                deep * float(rng.uniform(0.6, 0.8)),
            )
        )
    flat = rng.uniform() < {"suburb": 0.25, "dense": 0.5, "commercial": 0.85, "park": 0.4}[quarter]
    storeys = int(rng.integers(3, 6)) if quarter == "dense" else int(rng.integers(1, 4))
    return Building(
        x=x,
        y=y,
        angle=angle,
        wings=tuple(wings),
        eaves=storeys * 2.7 + float(rng.uniform(0, 1.2)),
        roof="flat" if flat else "hip" if rng.uniform() < 0.4 else "gable",
        pitch=math.tan(math.radians(float(rng.uniform(22, 45)))),
        seed=int(rng.integers(1 << 31)),
    )


def _lots(
    rng: np.random.Generator, layout: Layout, taken: Occupancy, roads: Occupancy
) -> list[tuple[Street, int, float, float]]:
    """Buildings, drives and yards along both sides of every street; returns the lots (street, side, start, front)."""
    quarter, lots = layout.style.quarter, []
    extent = math.hypot(layout.width, layout.height) * 0.55 + 20
    for street in layout.streets:
        for side in (-1, 1):
            at = -extent + float(rng.uniform(0, 10))
            while at < extent:
                front = float(rng.uniform(*_FRONT[quarter]))
                lots.append((street, side, at, front))
                _lot(rng, layout, taken, roads, street, side, at, front)
                at += front
    return lots


def _lot(
    rng: np.random.Generator,
    layout: Layout,
    taken: Occupancy,
    roads: Occupancy,
    street: Street,
    side: int,
    at: float,
    front: float,
) -> None:
    quarter, edge = layout.style.quarter, street.width / 2 + street.verge + street.pavement
    long = front * float(rng.uniform(0.66, 0.95))
    deep, setback = float(rng.uniform(*_DEPTH[quarter])), float(rng.uniform(*_SETBACK[quarter]))
    deep = min(deep, max(long, 7.0))
    draw = rng.uniform(size=4)
    for _ in range(3):  # a smaller house where a large one does not fit
        u, v = street.uv(at + front / 2, side * (edge + setback + deep / 2))
        x, y = layout.frame.xy(u, v)
        if not _inside(layout, x, y, 25):
            return
        angle = layout.frame.heading(u) + (0 if street.axis == "u" else math.pi / 2)
        building = _building(rng, quarter, x, y, angle, long, deep)
        plot = outline(building, layout).buffer(1.0, join_style="mitre")
        if not (taken.hits(plot) or roads.hits(plot)):
            break
        long, deep = long * 0.72, deep * 0.8
    else:
        return
    if draw[0] > _BUILT[quarter]:
        return
    taken.add(plot)
    layout.buildings.append(building)
    if draw[1] < _PAVED[quarter]:
        length, width = long * float(rng.uniform(0.8, 1.25)), deep + float(rng.uniform(3, 12))
        layout.grounds.append(Block("yard", x, y, angle, length, width, float(rng.uniform(0.8, 1.7))))
    if draw[2] < 0.6:
        u, v = street.uv(at + front / 2 + long * 0.42, side * (edge - street.pavement + (setback + deep) / 2))
        dx, dy = layout.frame.xy(u, v)
        layout.grounds.append(
            Block("drive", dx, dy, angle, 2.9, setback + deep + street.pavement, float(rng.uniform(1.2, 2.2)))
        )


def _annexes(rng: np.random.Generator, layout: Layout, taken: Occupancy, roads: Occupancy) -> None:
    """Back houses, garages and sheds in what the lots left open."""
    for _ in range(int(layout.width * layout.height / 1e4 * 34)):
        x, y = float(rng.uniform(-10, layout.width + 10)), float(rng.uniform(-10, layout.height + 10))
        scale = float(rng.choice([0.4, 1.0, 2.0], p=[0.3, 0.3, 0.4]))
        long, deep = float(rng.uniform(5, 9)) * scale, float(rng.uniform(4, 6.5)) * scale
        angle = layout.frame.angle + float(rng.choice([0, math.pi / 2]))
        building = replace(
            _building(rng, layout.style.quarter, x, y, angle, long, deep), wings=((0.0, 0.0, long / 2, deep / 2),)
        )
        if scale < 1:
            building = replace(building, eaves=float(rng.uniform(2.2, 3)), roof="flat")
        plot = outline(building, layout).buffer(0.6, join_style="mitre")
        if not (taken.hits(plot) or roads.hits(plot.buffer(2.0))):
            taken.add(plot)
            layout.buildings.append(building)


def _car_parks(rng: np.random.Generator, layout: Layout, taken: Occupancy, roads: Occupancy) -> None:
    """Marked car parks, about two thirds full."""
    per_hectare = {"suburb": 0.5, "dense": 0.7, "commercial": 2.0, "park": 0.4}[layout.style.quarter]
    for _ in range(int(rng.poisson(layout.width * layout.height / 1e4 * per_hectare))):
        x, y = float(rng.uniform(0, layout.width)), float(rng.uniform(0, layout.height))
        angle = layout.frame.angle + float(rng.choice([0, math.pi / 2]))
        length, width = float(rng.uniform(14, 36)), float(rng.choice([11.0, 16.5]))
        lot = Block("car park", x, y, angle, length, width, 1.0)
        if taken.hits(outline(lot, layout)) or roads.hits(outline(lot, layout)):
            continue
        taken.add(outline(lot, layout))
        layout.grounds.append(lot)
        for along in np.arange(-length / 2 + 1.3, length / 2 - 1.2, 2.5):
            for row in (-1, 1):
                if rng.uniform() < 0.6:
                    a, b = float(along) + float(rng.normal(0, 0.1)), row * (width / 2 - 2.6)
                    cx = x + a * math.cos(angle) - b * math.sin(angle)
                    cy = y + a * math.sin(angle) + b * math.cos(angle)
                    layout.cars.append(_car(rng, cx, cy, angle + row * math.pi / 2, 0.0))


def _ground_patches(rng: np.random.Generator, layout: Layout) -> None:
    """Bare soil, gravel and pools: the clutter class's larger surfaces."""
    hectares = layout.width * layout.height / 1e4
    for kind, rate, sizes in (("soil", 15.0, (6, 17)), ("pool", 3.5, (3, 9))):
        for _ in range(int(rng.poisson(hectares * rate))):
            long = float(rng.uniform(*sizes))
            layout.grounds.append(
                Block(
                    kind,
                    float(rng.uniform(0, layout.width)),
                    float(rng.uniform(0, layout.height)),
                    layout.frame.angle + float(rng.choice([0, math.pi / 2])),
                    long,
                    long * float(rng.uniform(0.45, 0.9)),
                    float(rng.uniform(0.75, 1.3)),
                )
            )


def _clutter(rng: np.random.Generator, layout: Layout, taken: Occupancy, roads: Occupancy) -> None:
    kinds = ("box", "fence", "heap", "bin")
    for _ in range(int(layout.width * layout.height * _CLUTTER[layout.style.quarter])):
        kind = str(rng.choice(kinds, p=[0.34, 0.3, 0.16, 0.2]))
        size = rng.uniform(size=2)
        length, width, height = {
            "box": (2.5 + 4 * size[0], 2 + 0.6 * size[1], 2.5),
            "fence": (6 + 16 * size[0], 0.22, 1.5),
            "heap": (2 + 4 * size[0], 2 + 3 * size[1], 1.2),
            "bin": (0.7 + 0.9 * size[0], 0.6 + 0.4 * size[1], 1.2),
        }[kind]
        x, y = float(rng.uniform(0, layout.width)), float(rng.uniform(0, layout.height))
        angle = layout.frame.angle + float(rng.choice([0, math.pi / 2])) + float(rng.normal(0, 0.08))
        thing = Clutter(kind, x, y, angle, float(length), float(width), height, int(rng.integers(1 << 31)))
        if not (taken.hits(outline(thing, layout)) or roads.hits(outline(thing, layout))):
            taken.add(outline(thing, layout))
            layout.clutter.append(thing)


def _car(rng: np.random.Generator, x: float, y: float, heading: float, long_share: float) -> Car:
    if rng.uniform() < long_share:
        size = float(rng.uniform(5.3, 9)), float(rng.uniform(2.0, 2.5))
    else:
        size = float(rng.uniform(3.7, 4.9)), float(rng.uniform(1.65, 1.92))
    turn = float(rng.normal(0, 0.03)) + (math.pi if rng.uniform() < 0.5 else 0.0)
    return Car(x, y, heading + turn, *size, int(rng.integers(1 << 31)))


def _kerb_cars(rng: np.random.Generator, layout: Layout, lots: list[tuple[Street, int, float, float]]) -> None:
    """Parked along the kerb, and a few driving; none where another already stands."""
    taken = Occupancy()
    for car in layout.cars:
        taken.add(outline(car, layout))
    for street, side, at, front in lots:
        parked = rng.uniform() < 0.5
        for along in np.arange(at, at + front - 4.8, float(rng.uniform(5.4, 7.5))):
            driving = rng.uniform() < 0.06
            if not driving and not (parked and rng.uniform() < 0.5):
                continue
            across = side * (street.width / 4 if driving else street.width / 2 - 1.05)
            u, v = street.uv(float(along) + 2.4, across)
            x, y = layout.frame.xy(u, v)
            heading = layout.frame.heading(u) + (0 if street.axis == "u" else math.pi / 2)
            car = _car(rng, x, y, heading, 0.08)
            shape = outline(car, layout)
            if _inside(layout, x, y, 8) and not taken.hits(shape):
                taken.add(shape)
                layout.cars.append(car)


def _tree(rng: np.random.Generator, x: float, y: float, radius: float) -> Tree:
    waves = tuple(
        (f, float(rng.uniform(0.2, 1.0)) * a, float(rng.uniform(0, 6.28)))
        for f, a in ((2, 0.11), (3, 0.11), (5, 0.09), (8, 0.07), (13, 0.06), (21, 0.05))
    )
    return Tree(x, y, radius, waves, int(rng.integers(1 << 31)))


def _trees(
    rng: np.random.Generator,
    layout: Layout,
    taken: Occupancy,
    roads: Occupancy,
    lots: list[tuple[Street, int, float, float]],
) -> None:
    """Street trees, garden trees and hedgerows; crowns may reach over anything, trunks stand on open ground."""
    spots: list[tuple[float, float, float]] = []
    for street, side, at, front in lots:
        if rng.uniform() < 0.45:
            u, v = street.uv(at + front / 2, side * (street.width / 2 + street.verge + street.pavement * 0.7))
            spots.append((*layout.frame.xy(u, v), float(rng.uniform(1.8, 4.6))))
    for _ in range(int(layout.width * layout.height * _TREES[layout.style.quarter])):
        x, y = float(rng.uniform(-5, layout.width + 5)), float(rng.uniform(-5, layout.height + 5))
        radius = float(np.clip(2.2 * math.exp(float(rng.normal(0, 0.45))), 0.8, 7.0))
        run = int(rng.integers(3, 9)) if rng.uniform() < 0.12 else 1  # a row or a group
        along = layout.frame.angle + float(rng.choice([0, math.pi / 2]))
        for k in range(run):
            step = k * radius * 1.5
            spots.append(
                (x + step * math.cos(along), y + step * math.sin(along), radius * float(rng.uniform(0.85, 1.15)))
            )
    order = rng.permutation(len(spots))
    for i in order:
        x, y, radius = spots[i]
        trunk = shapely.Point(x, y).buffer(0.4, quad_segs=2)
        if _inside(layout, x, y, 8) and not taken.hits(trunk) and not roads.hits(trunk):
            layout.trees.append(_tree(rng, x, y, radius))

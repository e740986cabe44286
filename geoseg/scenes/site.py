"""A scene while it is being laid out: its measures, its generator, and the ground that is taken."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import shapely

from geoseg.scenes.objects import Frame, Street, Style
from geoseg.scenes.quarters import QUARTERS, Quarter

__all__ = ["Lot", "Occupancy", "Site"]


class Occupancy:
    """The ground that is taken, as outlines in buckets of 32 m."""

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
        """True where taken ground meets this shape."""
        return any(s.intersects(shape) for key in self._keys(shape) for s in self.buckets.get(key, ()))


@dataclass(frozen=True)
class Lot:
    """A plot of land along a street: on one `side` of it (-1 or 1), from position `at` on, `front` metres wide."""

    street: Street
    side: int
    at: float
    front: float


@dataclass
class Site:
    """A scene of width x height metres in the making; `taken` holds plots and objects, `roads` the carriageways."""

    rng: np.random.Generator
    style: Style
    frame: Frame
    width: float
    height: float
    taken: Occupancy = field(default_factory=Occupancy)
    roads: Occupancy = field(default_factory=Occupancy)

    @property
    def quarter(self) -> Quarter:
        """Figures of its kind of town."""
        return QUARTERS[self.style.quarter]

    @property
    def area(self) -> float:
        """Square metres."""
        return self.width * self.height

    def contains(self, x: float, y: float, beyond: float) -> bool:
        """True where a point lies in the scene or at most `beyond` metres outside."""
        return -beyond <= x <= self.width + beyond and -beyond <= y <= self.height + beyond

    def is_free(self, shape: shapely.Geometry) -> bool:
        """True where a shape meets neither taken ground nor a road."""
        return not (self.taken.hits(shape) or self.roads.hits(shape))

    def draw_point(self, beyond: float = 0.0) -> tuple[float, float]:
        """A point of the scene, or at most `beyond` metres outside."""
        x = float(self.rng.uniform(-beyond, self.width + beyond))
        return x, float(self.rng.uniform(-beyond, self.height + beyond))

    def draw_angle(self) -> float:
        """One of the two directions of the street grid, in radians."""
        return self.frame.angle + float(self.rng.choice([0, math.pi / 2]))

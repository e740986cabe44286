"""Exact outlines of the objects of a scene, and the order in which they cover each other.

Corners are rounded to a millimetre, so that every machine gets the same polygons and, from them, the same labels.
"""

from __future__ import annotations

import math

import numpy as np
import shapely

from geoseg.arrays import Doubles
from geoseg.scenes.objects import Block, Building, Car, Clutter, Frame, Layout, Street, Thing, Tree

__all__ = ["Stack", "layers", "outline", "street_axis", "street_band"]

IMPERVIOUS, BUILDING, LOW_VEGETATION, TREE, CAR, CLUTTER = range(6)

Stack = list[tuple[int, Thing | None, shapely.Geometry]]
"""(class, object, outline in metres), from the ground up; pavements have no object."""

STEP = 1.5
"""Metres between the vertices of a street."""


def _to_scene(x: float, y: float, angle: float, points: Doubles) -> Doubles:
    """Points (N, 2) of an object's own axes, turned by `angle` and moved to (x, y)."""
    c, s = math.cos(angle), math.sin(angle)
    return np.column_stack([x + points[:, 0] * c - points[:, 1] * s, y + points[:, 0] * s + points[:, 1] * c])


def _polygon(points: Doubles) -> shapely.Geometry:
    return shapely.Polygon(np.round(points, 3))


def _box(at: Block | Building | Clutter, length: float, width: float, centre: tuple[float, float]) -> shapely.Geometry:
    """A rectangle around `centre`, which counts in the object's own axes."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [length / 2, width / 2] + [*centre]
    return _polygon(_to_scene(at.x, at.y, at.angle, corners))


def _stations(frame: Frame) -> Doubles:
    """Positions along a street, from beyond one end of the scene to beyond the other."""
    extent = frame.reach + 30
    return np.arange(-extent, extent + STEP, STEP)


def street_band(street: Street, frame: Frame, inner: float, outer: float) -> shapely.Geometry:
    """The band between two distances (metres) across a street, from one end of the scene to the other."""
    along = _stations(frame)
    near = [frame.xy(*street.uv(float(t), inner)) for t in along]
    far = [frame.xy(*street.uv(float(t), outer)) for t in along[::-1]]
    return _polygon(np.array(near + far))


def street_axis(street: Street, frame: Frame) -> shapely.Geometry:
    """The centre line of a street, from one end of the scene to the other."""
    return shapely.LineString(np.round([frame.xy(*street.uv(float(t), 0.0)) for t in _stations(frame)], 3))


def _blob(at: Block | Clutter) -> shapely.Geometry:
    """A lumpy ellipse; its lumps follow from its own size, so it needs no generator."""
    phi = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    length, width = at.length, at.width
    lumps = (
        1 + 0.13 * np.sin(3 * phi + 7 * length) + 0.1 * np.sin(5 * phi + 11 * width) + 0.05 * np.sin(9 * phi + length)
    )
    points = np.column_stack([np.cos(phi) * length / 2, np.sin(phi) * width / 2]) * lumps[:, None]
    return _polygon(_to_scene(at.x, at.y, at.angle, points))


def _building(building: Building) -> shapely.Geometry:
    parts = [_box(building, 2 * a, 2 * b, (cx, cy)) for cx, cy, a, b in building.wings]
    return shapely.set_precision(shapely.union_all(parts), 0.001)


def _car(car: Car) -> shapely.Geometry:
    a, b = car.length / 2, car.width / 2
    quarter = np.array([[1, 0.55], [0.97, 0.8], [0.9, 0.95], [0.78, 1.0]]) * [a, b]
    points = np.vstack([quarter, quarter[::-1] * [-1, 1], quarter * [-1, -1], quarter[::-1] * [1, -1]])
    return _polygon(_to_scene(car.x, car.y, car.heading, points))


def _tree(tree: Tree) -> shapely.Geometry:
    phi = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    reach = np.array([tree.reach(float(p)) for p in phi])
    return _polygon(np.column_stack([tree.x + reach * np.cos(phi), tree.y + reach * np.sin(phi)]))


def outline(thing: Thing, frame: Frame) -> shapely.Geometry:
    """Outline of one object, in metres; a street's is its carriageway."""
    match thing:
        case Street():
            return street_band(thing, frame, -thing.width / 2, thing.width / 2)
        case Building():
            return _building(thing)
        case Car():
            return _car(thing)
        case Tree():
            return _tree(thing)
    return (
        _blob(thing) if thing.kind in ("soil", "heap", "earth") else _box(thing, thing.length, thing.width, (0.0, 0.0))
    )


_GROUND_CLASS = {
    "yard": IMPERVIOUS,
    "drive": IMPERVIOUS,
    "car park": IMPERVIOUS,
    "soil": CLUTTER,
    "pool": CLUTTER,
    "earth": IMPERVIOUS,
    "field": LOW_VEGETATION,
}


def layers(layout: Layout) -> Stack:
    """All outlines from the ground up: each one covers those before it."""
    frame = layout.frame
    stack: Stack = []
    for kinds in (("field",), ("earth",), ("soil", "pool"), ("yard", "drive", "car park")):
        stack += [(_GROUND_CLASS[b.kind], b, outline(b, frame)) for b in layout.grounds if b.kind in kinds]
    for street in (s for s in layout.streets if s.pavement):
        kerb = street.width / 2 + street.verge
        for side in (-1, 1):
            stack.append((IMPERVIOUS, None, street_band(street, frame, side * kerb, side * (kerb + street.pavement))))
    stack += [(IMPERVIOUS, s, outline(s, frame)) for s in layout.streets]
    stack += [(CLUTTER, c, outline(c, frame)) for c in layout.clutter]
    stack += [(BUILDING, b, outline(b, frame)) for b in layout.buildings]
    stack += [(CAR, c, outline(c, frame)) for c in layout.cars]
    stack += [(TREE, t, outline(t, frame)) for t in layout.trees]
    return stack

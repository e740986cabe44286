"""Exact outlines of the objects of a scene, and the order in which they cover each other.

Corners are rounded to a millimetre, so that every machine gets the same polygons and, from them, the same labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

from geoseg.scenes.objects import Block, Building, Car, Clutter, Street, Tree

if TYPE_CHECKING:
    from geoseg.scenes.layout import Layout

__all__ = ["layers", "outline", "street_axis", "turned"]

IMPERVIOUS, BUILDING, LOW_VEGETATION, TREE, CAR, CLUTTER = range(6)


def turned(x: float, y: float, angle: float, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points (N, 2) of an object's own axes, turned by `angle` and moved to (x, y)."""
    c, s = math.cos(angle), math.sin(angle)
    return np.column_stack([x + points[:, 0] * c - points[:, 1] * s, y + points[:, 0] * s + points[:, 1] * c])


def _polygon(points: npt.NDArray[np.float64]) -> shapely.Geometry:
    return shapely.Polygon(np.round(points, 3))


def _box(
    x: float, y: float, angle: float, length: float, width: float, cx: float = 0.0, cy: float = 0.0
) -> shapely.Geometry:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [length / 2, width / 2] + [cx, cy]
    return _polygon(turned(x, y, angle, corners))


def street_band(street: Street, layout: Layout, inner: float, outer: float, step: float = 1.5) -> shapely.Geometry:
    """The band between two distances across a street, from one end of the scene to the other."""
    extent = math.hypot(layout.width, layout.height) * 0.55 + 30
    along = np.arange(-extent, extent + step, step)
    near = [layout.frame.xy(*street.uv(float(t), inner)) for t in along]
    far = [layout.frame.xy(*street.uv(float(t), outer)) for t in along[::-1]]
    return _polygon(np.array(near + far))


def street_axis(street: Street, layout: Layout, step: float = 1.5) -> shapely.Geometry:
    """The centre line of a street, from one end of the scene to the other."""
    extent = math.hypot(layout.width, layout.height) * 0.55 + 30
    along = np.arange(-extent, extent + step, step)
    return shapely.LineString(np.round([layout.frame.xy(*street.uv(float(t), 0.0)) for t in along], 3))


def _street(street: Street, layout: Layout) -> shapely.Geometry:
    return street_band(street, layout, -street.width / 2, street.width / 2)


def _blob(x: float, y: float, angle: float, length: float, width: float) -> shapely.Geometry:
    """A lumpy ellipse; its lumps follow from its own size, so it needs no generator."""
    phi = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    lumps = (
        1 + 0.13 * np.sin(3 * phi + 7 * length) + 0.1 * np.sin(5 * phi + 11 * width) + 0.05 * np.sin(9 * phi + length)
    )
    points = np.column_stack([np.cos(phi) * length / 2, np.sin(phi) * width / 2]) * lumps[:, None]
    return _polygon(turned(x, y, angle, points))


def _block(block: Block, layout: Layout) -> shapely.Geometry:
    shape = _blob if block.kind == "soil" else _box
    return shape(block.x, block.y, block.angle, block.length, block.width)


def _building(building: Building, layout: Layout) -> shapely.Geometry:
    parts = [_box(building.x, building.y, building.angle, 2 * a, 2 * b, cx, cy) for cx, cy, a, b in building.wings]
    return shapely.set_precision(shapely.union_all(parts), 0.001)


def _car(car: Car, layout: Layout) -> shapely.Geometry:
    a, b = car.length / 2, car.width / 2
    quarter = np.array([[1, 0.55], [0.97, 0.8], [0.9, 0.95], [0.78, 1.0]]) * [a, b]
    points = np.vstack([quarter, quarter[::-1] * [-1, 1], quarter * [-1, -1], quarter[::-1] * [1, -1]])
    return _polygon(turned(car.x, car.y, car.heading, points))


def _tree(tree: Tree, layout: Layout) -> shapely.Geometry:
    phi = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    reach = np.array([tree.reach(float(p)) for p in phi])
    return _polygon(np.column_stack([tree.x + reach * np.cos(phi), tree.y + reach * np.sin(phi)]))


def _clutter(thing: Clutter, layout: Layout) -> shapely.Geometry:
    shape = _blob if thing.kind == "heap" else _box
    return shape(thing.x, thing.y, thing.angle, thing.length, thing.width)


_OUTLINES: dict[type, Callable[[Any, Layout], shapely.Geometry]] = {
    Street: _street,
    Block: _block,
    Building: _building,
    Car: _car,
    Tree: _tree,
    Clutter: _clutter,
}


def outline(thing: object, layout: Layout) -> shapely.Geometry:
    """Outline of one object, in metres; a street's is its carriageway."""
    return _OUTLINES[type(thing)](thing, layout)


_GROUND_CLASS = {"yard": IMPERVIOUS, "drive": IMPERVIOUS, "car park": IMPERVIOUS, "soil": CLUTTER, "pool": CLUTTER}


def layers(layout: Layout) -> list[tuple[int, object | None, shapely.Geometry]]:
    """(class, object, outline) from the ground up: each one covers those before it."""
    stack: list[tuple[int, object | None, shapely.Geometry]] = []
    for kinds in (("soil", "pool"), ("yard", "drive", "car park")):
        stack += [(_GROUND_CLASS[b.kind], b, outline(b, layout)) for b in layout.grounds if b.kind in kinds]
    for street in layout.streets:
        kerb = street.width / 2 + street.verge
        for side in (-1, 1):
            stack.append((IMPERVIOUS, None, street_band(street, layout, side * kerb, side * (kerb + street.pavement))))
    stack += [(IMPERVIOUS, s, outline(s, layout)) for s in layout.streets]
    stack += [(CLUTTER, c, outline(c, layout)) for c in layout.clutter]
    stack += [(BUILDING, b, outline(b, layout)) for b in layout.buildings]
    stack += [(CAR, c, outline(c, layout)) for c in layout.cars]
    stack += [(TREE, t, outline(t, layout)) for t in layout.trees]
    return stack

"""Objects to albedo and height, from the ground up.

Each painter gets the pixels of one object and their positions in the object's own axes (a `Spot`), and draws from the
object's own seed. So an object looks the same in whatever window it is painted.
"""

from __future__ import annotations

import math

import numpy as np

from geoseg.arrays import Floats
from geoseg.scenes.canvas import Canvas, Spot, axes
from geoseg.scenes.objects import Block, Building, Car, Clutter, Frame, Layout, Street, Thing, Tree
from geoseg.scenes.outlines import Stack
from geoseg.scenes.roofs import paint_building
from geoseg.scenes.streets import Paving, draw_paving, paint_ground, paint_pavement, paint_street

__all__ = ["paint"]

_PAINTS = [
    (0.75, 0.75, 0.75),
    (0.55, 0.56, 0.57),
    (0.3, 0.31, 0.32),
    (0.03, 0.03, 0.035),
    (0.05, 0.06, 0.12),
    (0.07, 0.13, 0.33),
    (0.42, 0.04, 0.035),
    (0.35, 0.36, 0.33),
    (0.1, 0.2, 0.13),
    (0.6, 0.45, 0.1),
]
_PAINT_SHARES = [0.2, 0.2, 0.15, 0.17, 0.06, 0.07, 0.07, 0.04, 0.02, 0.02]


def paint(canvas: Canvas, seed: int, layout: Layout, stack: Stack) -> None:
    """Paint all objects that reach the canvas, from the ground up."""
    paving = draw_paving(np.random.default_rng([seed, 13]))
    _paint_lawn(canvas, seed, layout.frame)
    streets = 0
    for _, thing, shape in stack:
        streets += isinstance(thing, Street)
        if (found := canvas.cover(shape)) is not None:
            # ground and streets have no seed of their own: the number of streets so far stands for it
            own = thing.seed if isinstance(thing, Building | Car | Tree | Clutter) else 0
            rng = np.random.default_rng([seed, own or streets])
            spot = Spot(canvas, *found, *axes(canvas, found[0], _place(thing, layout.frame)), rng)
            _paint_thing(spot, thing, layout, paving)


def _place(thing: Thing | None, frame: Frame) -> tuple[float, float, float]:
    """Origin (x, y) and angle of an object's own axes; streets and pavements have those of the street grid."""
    match thing:
        case Tree():
            return thing.x, thing.y, 0.0
        case Car():
            return thing.x, thing.y, thing.heading
        case Block() | Building() | Clutter():
            return thing.x, thing.y, thing.angle
    return frame.x0, frame.y0, frame.angle


def _paint_thing(spot: Spot, thing: Thing | None, layout: Layout, paving: Paving) -> None:
    match thing:
        case None:
            paint_pavement(spot, paving.slabs, paving.side)
        case Street():
            paint_street(spot, thing, layout.frame, paving)
        case Block():
            paint_ground(spot, thing, paving)
        case Building():
            paint_building(spot, thing)
        case Car():
            _paint_car(spot, thing)
        case Tree():
            _paint_tree(spot, thing, layout.style.leaf_off)
        case Clutter():
            _paint_clutter(spot, thing)


def _paint_lawn(canvas: Canvas, seed: int, frame: Frame) -> None:
    """Grass from lush to dry; in some scenes it is mown in stripes."""
    rng = np.random.default_rng([seed, 11])
    base = np.array([0.16, 0.20, 0.075]) * rng.uniform(0.7, 1.35) + rng.normal(0, 0.012, 3)
    dry = np.array([0.27, 0.24, 0.13]) + rng.normal(0, 0.015, 3)
    t = np.clip(0.35 + 0.35 * canvas.coarse + rng.normal(0, 0.3), 0, 1)[..., None] * 0.7
    rgb = base * (1 - t) + dry * t
    texture = 1 + 0.10 * canvas.fine + 0.13 * canvas.grain
    if rng.uniform() < 0.4:
        _, across = axes(canvas, canvas.whole, (0, 0, frame.angle))
        texture = texture * (1 + 0.05 * np.sign(np.sin(across * 2 * math.pi / rng.uniform(1, 2.4))))
    infrared = 0.42 * (1 - t) + 0.3 * t
    canvas.albedo[:] = np.maximum(np.dstack([rgb, infrared]) * texture[..., None], 0.01)
    canvas.height[:] = np.abs(canvas.fine) * 0.05


def _paint_car(spot: Spot, car: Car) -> None:
    rng, length, width = spot.rng, car.length, car.width
    p, q = np.abs(spot.a) / (length / 2), np.abs(spot.b) / (width / 2)
    colour = np.array(_PAINTS[rng.choice(10, p=_PAINT_SHARES)]) * rng.uniform(0.8, 1.2)
    gloss = 1 + 0.25 * np.clip(-spot.b / width, -0.5, 0.5)
    if car.long:
        spot.put(colour if rng.uniform() < 0.5 else np.ones(3) * rng.uniform(0.4, 0.75), gloss, height=2.6)
        spot.put((0.03, 0.03, 0.035), where=(spot.a > length * 0.36) & (spot.a < length * 0.42))
        spot.put(colour, gloss, where=spot.a >= length * 0.42, height=2.3)
        return
    spot.put(colour + 0.02, gloss, height=0.85)
    middle = np.abs(spot.a - rng.uniform(-0.1, 0.02) * length)
    cabin, roof = (middle < length * 0.30) & (q < 0.86), (middle < length * 0.17) & (q < 0.74)
    spot.put(np.array([0.03, 0.036, 0.042]) * rng.uniform(0.7, 2.2), where=cabin, height=1.25)
    spot.put(colour * rng.uniform(0.85, 1.2) + 0.02, gloss, where=roof, height=1.48)
    if rng.uniform() < 0.12:
        spot.put((0.03, 0.03, 0.03), where=roof & (q < 0.55))
    lights = (np.abs(p - 0.93) < 0.05) & (np.abs(q - 0.65) < 0.2)
    spot.put((0.6, 0.6, 0.58), where=lights & (spot.a > 0))
    spot.put((0.35, 0.03, 0.02), where=lights & (spot.a < 0))


_TREE_COLOURS = ((0.7, (0.085, 0.125, 0.04)), (0.85, (0.05, 0.085, 0.05)), (1.0, (0.17, 0.13, 0.05)))
"""Cumulative chance and colour of the kinds of trees."""


def _paint_tree(spot: Spot, tree: Tree, leaf_off: bool) -> None:
    rng, radius = spot.rng, tree.radius
    distance = np.hypot(spot.a, spot.b)
    kind = rng.uniform()
    colour = np.array(next(c for chance, c in _TREE_COLOURS if kind < chance))
    colour = colour * rng.uniform(0.65, 1.5) + rng.normal(0, 0.008, 3)
    top = rng.uniform(0.9, 1.7) * radius + rng.uniform(1.5, 4)
    lumps = _leaf_lumps(spot, radius)
    dome = top - radius * 0.8 + radius * 0.8 * np.sqrt(np.maximum(0, 1 - (distance / (radius * 1.25)) ** 2))
    crown = np.maximum(dome + lumps * 0.9 + 0.16 * spot.grain + 0.15 * spot.fine, 0.5)
    if leaf_off and rng.uniform() < 0.6:
        _paint_branches(spot, radius, crown)
        return
    texture = 1 + 0.16 * spot.fine + 0.15 * spot.grain + 0.35 * (lumps - 0.4)
    over = np.maximum(crown, spot.canvas.height[spot.part] + 0.3)
    spot.put(np.maximum(colour, 0.012), texture, nir=0.45, height=over)


def _leaf_lumps(spot: Spot, radius: float) -> Floats:
    """Height of the clusters of leaves above the crown's dome, in metres (H, W)."""
    rng = spot.rng
    lumps = np.zeros_like(spot.a)
    for _ in range(int(6 + radius * radius * 1.6)):
        at, towards, size = radius * math.sqrt(rng.uniform()), rng.uniform(0, 2 * math.pi), rng.uniform(0.35, 1.1)
        d2 = ((spot.a - at * math.cos(towards)) ** 2 + (spot.b - at * math.sin(towards)) ** 2) / size**2
        lumps = np.maximum(lumps, size * np.sqrt(np.maximum(0, 1 - d2)))
    return lumps


def _paint_branches(spot: Spot, radius: float, crown: Floats) -> None:
    """The branches of a bare tree; the ground shows between them."""
    rng = spot.rng
    distance, direction = np.hypot(spot.a, spot.b), np.arctan2(spot.b, spot.a)
    wood = np.abs(spot.fine * 3 % 1 - 0.5) < 0.1
    for _ in range(int(9 + radius * 5)):
        towards, thick = rng.uniform(-math.pi, math.pi), rng.uniform(0.03, 0.075)
        bend = np.abs(np.sin(direction - towards + 0.15 * np.sin(distance * 1.7 + towards))) * distance
        wood |= (bend < thick) & (np.cos(direction - towards) > 0) & (distance < radius * rng.uniform(0.4, 1.1))
    spot.put((0.16, 0.135, 0.11), 1 + 0.2 * spot.grain, where=wood, height=crown)


def _paint_clutter(spot: Spot, thing: Clutter) -> None:
    rng = spot.rng
    colour = {
        "box": rng.uniform(0.05, 0.45, 3),
        "fence": np.array([0.2, 0.17, 0.14]),
        "heap": np.array([0.3, 0.26, 0.22]),
        "bin": rng.uniform(0.04, 0.3, 3),
        "wall": np.array([0.34, 0.26, 0.2]),
        "stack": np.array([0.36, 0.16, 0.1]),
        "tarpaulin": np.array([0.06, 0.2, 0.5]),
    }[thing.kind]
    texture = 1 + 0.05 * spot.grain
    if thing.kind == "box":
        texture = texture + 0.12 * np.sign(np.sin(spot.a * 2 * math.pi / 0.4))
    if thing.kind == "heap":
        texture = texture + 0.25 * spot.grain + 0.1 * spot.fine
    rise = thing.height * (1 + 0.3 * spot.fine) if thing.kind == "heap" else thing.height
    spot.put(colour, texture, height=rise)

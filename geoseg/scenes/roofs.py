"""The painter of buildings: the shape of the roof, its covering, and the things that stand on it."""

from __future__ import annotations

import math

import numpy as np

from geoseg.arrays import Floats, Mask
from geoseg.scenes.canvas import Spot
from geoseg.scenes.objects import Building

__all__ = ["paint_building"]

_METALS = [
    (0.62, 0.63, 0.64),
    (0.48, 0.50, 0.52),
    (0.10, 0.20, 0.42),
    (0.07, 0.27, 0.52),
    (0.36, 0.09, 0.07),
    (0.28, 0.17, 0.11),
    (0.10, 0.24, 0.16),
    (0.34, 0.33, 0.31),
]
_TERRACES = [(0.40, 0.38, 0.34), (0.32, 0.31, 0.30), (0.50, 0.48, 0.45), (0.27, 0.25, 0.22), (0.40, 0.26, 0.19)]

_TILED_ROOFS = [
    (0.30, 0.115, 0.07),
    (0.24, 0.10, 0.065),
    (0.36, 0.17, 0.11),
    (0.13, 0.12, 0.12),
    (0.075, 0.075, 0.085),
    (0.20, 0.16, 0.13),
    (0.33, 0.25, 0.2),
]
_FLAT_ROOFS = [
    (0.30, 0.295, 0.28),
    (0.16, 0.16, 0.165),
    (0.42, 0.42, 0.41),
    (0.52, 0.52, 0.51),
    (0.23, 0.215, 0.19),
    (0.09, 0.09, 0.095),
    (0.17, 0.19, 0.10),
]


def _roof_shape(spot: Spot, building: Building) -> tuple[Floats, Floats, Floats]:
    """Height, distance from the eaves and position along the ridge of the highest wing at each pixel."""
    top = np.full(spot.mask.shape, -1, np.float32)
    from_eaves, along = np.zeros_like(top), np.zeros_like(top)
    for ca, cb, half_a, half_b in building.wings:
        p, q, long, short = spot.a - ca, spot.b - cb, half_a, half_b
        if short > long:
            p, q, long, short = q, p, short, long
        inside = (np.abs(p) <= long + 0.01) & (np.abs(q) <= short + 0.01)
        distance = np.maximum(short - np.abs(q), 0)
        slope = np.minimum(distance, np.maximum(long - np.abs(p), 0)) if building.roof == "hip" else distance
        rise = np.zeros_like(distance) if building.roof == "flat" else building.pitch * slope
        higher = inside & (building.eaves + rise > top)
        top[higher] = (building.eaves + rise)[higher]
        from_eaves[higher], along[higher] = distance[higher], p[higher]
    top[spot.mask & (top < 0)] = building.eaves
    return top, from_eaves, along


def paint_building(spot: Spot, building: Building) -> None:
    """The roof with its texture, a parapet where it is flat, and details."""
    if building.cover:
        {"metal": _paint_metal, "terrace": _paint_terrace}[building.cover](spot, building)
        return
    rng, flat = spot.rng, building.roof == "flat"
    top, from_eaves, along = _roof_shape(spot, building)
    colours = _FLAT_ROOFS if flat else _TILED_ROOFS
    colour = np.array(colours[rng.integers(7)]) * rng.uniform(0.75, 1.3) * (1 + rng.normal(0, 0.05, 3))
    texture = 1 + 0.09 * spot.fine + 0.05 * spot.grain
    if not flat:
        courses, strength = rng.uniform(0.22, 0.42), rng.uniform(0.04, 0.16)
        texture = texture * (1 + strength * (np.abs((from_eaves / courses) % 1 - 0.5) * 2 - 0.5))
        if rng.uniform() < 0.5:
            texture = texture * (1 + 0.05 * np.sin(along * 2 * math.pi / rng.uniform(0.25, 0.4)))
    if rng.uniform() < 0.4:  # moss, stains
        texture = texture * (1 - 0.25 * np.clip(spot.coarse * 0.5 + 0.3 * spot.fine, 0, 1))
    spot.put(colour, texture, height=top)
    if flat:
        parapet = spot.mask & ~_inset(spot, building, 0.3)
        spot.put(colour * 1.2 + 0.04, texture, where=parapet, height=top + 0.5)
    _paint_chimneys(spot, building, top)
    _paint_windows(spot, building, top)
    if flat:
        _paint_plant(spot, building, top)
    _paint_panels(spot, building)


def _paint_metal(spot: Spot, building: Building) -> None:
    """Corrugated sheets: bright, painted or rusty, some of them newer than others."""
    rng = spot.rng
    top, _, along = _roof_shape(spot, building)
    if building.roof == "flat":  # a lean-to
        top = top + spot.b * np.float32(math.tan(math.radians(rng.uniform(-8, 8))))
    colour = np.array(_METALS[rng.integers(len(_METALS))]) * rng.uniform(0.75, 1.25) * (1 + rng.normal(0, 0.03, 3))
    ribs = np.sin(along * 2 * math.pi / rng.uniform(0.35, 1.1)) * rng.uniform(0.02, 0.12)
    spot.put(colour, 1 + 0.03 * spot.fine + 0.03 * spot.grain + ribs, height=top)
    half_a, half_b = building.wings[0][2:]
    for _ in range(int(rng.integers(0, 5))):  # sheets that were replaced
        sheet = spot.box(
            rng.uniform(-1, 1) * half_a, rng.uniform(-1, 1) * half_b, rng.uniform(0.4, 2.0), rng.uniform(0.4, 2.5)
        )
        spot.canvas.albedo[spot.part][sheet] *= np.float32(rng.uniform(0.6, 1.4))
    if rng.uniform() < 0.45:
        rust = spot.fine + 0.6 * spot.coarse > rng.uniform(0.6, 1.6)
        spot.put((0.27, 0.15, 0.09), 1 + 0.1 * spot.grain + ribs, where=rust)
    if rng.uniform() < 0.25:  # bricks that hold the sheets down
        spot.put((0.30, 0.17, 0.12), where=(spot.grain > 2.2) & spot.mask)


def _paint_terrace(spot: Spot, building: Building) -> None:
    """Concrete with a parapet, a stair head, water tanks, plants, washing, and floors of several colours."""
    rng = spot.rng
    top, _, _ = _roof_shape(spot, building)
    half_a, half_b = building.wings[0][2:]
    colour = np.array(_TERRACES[rng.integers(len(_TERRACES))]) * rng.uniform(0.7, 1.3) * (1 + rng.normal(0, 0.03, 3))
    stains = 1 - 0.3 * np.clip(spot.coarse * 0.5 + 0.4 * spot.fine, 0, 1) * rng.uniform(0, 1)
    texture = stains * (1 + 0.06 * spot.fine + 0.05 * spot.grain)
    spot.put(colour, texture, height=top)
    for _ in range(int(rng.integers(0, 3))):  # a lower or higher part, or another floor
        part = spot.box(
            rng.uniform(-1, 1) * half_a, rng.uniform(-1, 1) * half_b, half_a * rng.uniform(0.3, 0.8), half_b * 0.6
        )
        floor = np.array(_TERRACES[rng.integers(len(_TERRACES))]) * rng.uniform(0.7, 1.3)
        spot.put(floor, texture, where=part, height=top + rng.choice([0.0, -2.7, 2.7]))
    parapet = spot.mask & ~_inset(spot, building, rng.uniform(0.15, 0.3))
    spot.put(colour * rng.uniform(0.7, 1.4) + 0.03, texture, where=parapet, height=top + 0.9)
    if rng.uniform() < 0.6:
        head = spot.box(rng.choice([-0.6, 0.6]) * half_a, rng.choice([-0.6, 0.6]) * half_b, 1.6, 1.3)
        covers = (colour * 1.15, np.array(_METALS[rng.integers(len(_METALS))]))
        spot.put(covers[rng.integers(2)], texture, where=head, height=top + 2.5)
    _paint_roof_things(spot, (half_a, half_b), top)


def _paint_roof_things(spot: Spot, half: tuple[float, float], top: Floats) -> None:
    """Water tanks (black, blue, white), pots with plants, washing and odds and ends."""
    rng = spot.rng
    for _ in range(int(rng.integers(0, 4))):
        a, b = rng.uniform(-0.85, 0.85) * half[0], rng.uniform(-0.85, 0.85) * half[1]
        tank = (np.hypot(spot.a - a, spot.b - b) < rng.uniform(0.45, 0.75)) & spot.mask
        tones = ((0.03, 0.03, 0.03), (0.05, 0.2, 0.45), (0.55, 0.55, 0.55), (0.1, 0.35, 0.3))
        spot.put(tones[rng.integers(4)], 1 + 0.05 * spot.grain, where=tank, height=top + 1.6)
    for _ in range(int(rng.integers(0, 6))):
        a, b = rng.choice([-0.85, 0.85]) * half[0], rng.uniform(-0.9, 0.9) * half[1]
        where = spot.box(a, b, rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.6))
        colour = rng.uniform(0.04, 0.5, 3) if rng.uniform() < 0.6 else np.array([0.08, 0.14, 0.05])
        spot.put(colour, 1 + 0.15 * spot.grain, where=where, height=top + 0.5)


def _inset(spot: Spot, building: Building, width: float) -> Mask:
    inner = np.zeros(spot.mask.shape, bool)
    for ca, cb, half_a, half_b in building.wings:
        inner |= spot.box(ca, cb, half_a - width, half_b - width)
    return inner


def _paint_chimneys(spot: Spot, building: Building, top: Floats) -> None:
    rng, (_, _, half_a, half_b) = spot.rng, building.wings[0]
    for _ in range(int(rng.integers(0, 4))):
        where = spot.box(rng.uniform(-0.8, 0.8) * half_a, rng.uniform(-0.6, 0.6) * half_b, 0.35, 0.3)
        spot.put((0.22, 0.12, 0.09), 1 + 0.05 * spot.grain, where=where, height=top + 1.2)


def _paint_windows(spot: Spot, building: Building, top: Floats) -> None:
    rng, (_, _, half_a, half_b) = spot.rng, building.wings[0]
    for _ in range(int(rng.integers(0, 6))):
        glass = np.array([0.9, 1, 1.15]) * float(rng.choice([0.07, 0.45]))
        where = spot.box(rng.uniform(-0.8, 0.8) * half_a, rng.uniform(-0.8, 0.8) * half_b, 0.4, 0.55)
        spot.put(glass, where=where, height=top + 0.08)


def _paint_plant(spot: Spot, building: Building, top: Floats) -> None:
    """Air conditioning and the like on flat roofs."""
    rng, (_, _, half_a, half_b) = spot.rng, building.wings[0]
    for _ in range(int(rng.integers(0, 6))):
        a, b = rng.uniform(-0.8, 0.8) * half_a, rng.uniform(-0.8, 0.8) * half_b
        where = spot.box(a, b, rng.uniform(0.5, 2), rng.uniform(0.5, 1.6))
        grey = np.ones(3) * rng.uniform(0.25, 0.6)
        spot.put(grey, 1 + 0.05 * spot.grain, where=where, height=top + rng.uniform(0.6, 2))


def _paint_panels(spot: Spot, building: Building) -> None:
    """Solar panels with seams, on about one roof in five."""
    rng, (_, _, half_a, half_b) = spot.rng, building.wings[0]
    if rng.uniform() < 0.18:
        a, b = rng.uniform(-0.4, 0.4) * half_a, rng.choice([-0.45, 0.45]) * half_b
        where = spot.box(a, b, half_a * 0.55, half_b * 0.32)
        seams = ((spot.a % 1.0) < 0.07) | ((spot.b % 1.65) < 0.07)
        spot.put(np.where(seams[..., None], 0.2, np.array([0.03, 0.04, 0.085])), where=where)

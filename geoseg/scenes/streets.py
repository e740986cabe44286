"""Painters of streets and pavements, and of the ground of yards, car parks, soil and pools."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely

from geoseg.arrays import Doubles, Floats
from geoseg.scenes.canvas import Canvas, Spot
from geoseg.scenes.objects import Block, Frame, Street
from geoseg.scenes.outlines import street_band

__all__ = ["Paving", "draw_paving", "paint_ground", "paint_pavement", "paint_street"]


@dataclass(frozen=True)
class Paving:
    """The colours (3,) of asphalt and slabs in one scene, and the side of a slab in metres."""

    asphalt: Doubles
    slabs: Doubles
    side: float


def draw_paving(rng: np.random.Generator) -> Paving:
    """The paving of one scene."""
    asphalt = rng.uniform(0.10, 0.24) * (1 + rng.normal(0, 0.02, 3))
    slabs = rng.uniform(0.26, 0.40) * np.array([1.03, 1.0, 0.94]) * (1 + rng.normal(0, 0.03, 3))
    return Paving(asphalt, slabs, float(rng.uniform(0.3, 0.9)))


def _asphalt(spot: Spot) -> Floats:
    return np.asarray(1 + 0.06 * spot.fine + 0.06 * spot.grain + 0.07 * np.clip(spot.coarse, -1.5, 1.5), np.float32)


def paint_pavement(spot: Spot, tone: Doubles, side: float) -> None:
    """Slabs of `side` metres with joints."""
    joints = (np.abs((spot.a / side) % 1 - 0.5) > 0.44) | (np.abs((spot.b / side) % 1 - 0.5) > 0.44)
    spot.put(tone, _asphalt(spot) * np.where(joints, 0.86, 1.0), height=0.0)


def paint_street(spot: Spot, street: Street, frame: Frame, paving: Paving) -> None:
    """Asphalt with repaired patches, then kerb stones and marks; or earth with the tracks of wheels."""
    if street.earth:
        _paint_track(spot, street)
        return
    spot.put(paving.asphalt, _asphalt(spot), height=0.0)
    for _ in range(6):  # repaired patches
        along, across = spot.rng.uniform(-150, 150), spot.rng.uniform(-1.5, 1.5)
        patch = spot.box(along, across, spot.rng.uniform(0.6, 4), 1.1)
        spot.canvas.albedo[spot.part][patch] *= np.float32(spot.rng.uniform(0.75, 1.25))
    _paint_kerb(spot.canvas, street, frame, paving.slabs)
    _paint_marks(spot.canvas, street, frame)


_EARTHS = ((0.36, 0.29, 0.20), (0.42, 0.36, 0.28), (0.33, 0.21, 0.13), (0.40, 0.38, 0.34), (0.27, 0.22, 0.16))
"""Colours of bare ground: brown, pale, red, grey gravel, dark."""


def _earth(canvas: Canvas, spot: Spot, tone: float) -> tuple[Doubles, Floats]:
    """Colour and texture of trodden ground; one colour in each scene, a little different from place to place."""
    scene = np.random.default_rng([canvas.seed, 29])
    base = np.array(_EARTHS[scene.integers(len(_EARTHS))]) * scene.uniform(0.75, 1.3)
    colour = base * tone * (1 + spot.rng.normal(0, 0.03, 3))
    return colour, np.asarray(
        1 + 0.10 * spot.fine + 0.08 * spot.grain + 0.12 * np.clip(spot.coarse, -1.5, 1.5), np.float32
    )


def _paint_track(spot: Spot, street: Street) -> None:
    colour, texture = _earth(spot.canvas, spot, float(spot.rng.uniform(0.85, 1.2)))
    wheels = np.exp(-(((np.abs(spot.b - street.position) - 0.8) / 0.35) ** 2))
    spot.put(colour, texture * (1 + 0.12 * wheels), height=0.0)


def _paint_kerb(canvas: Canvas, street: Street, frame: Frame, tone: Doubles) -> None:
    """A light line of kerb stones along both sides of the carriageway."""
    for side in (-1, 1):
        edge = side * street.width / 2
        if (found := canvas.cover(street_band(street, frame, edge - side * 0.16, edge))) is not None:
            part, mask = found
            canvas.albedo[part][mask] = np.array([*(tone * 1.1), tone.mean() * 1.2], np.float32)


def _paint_marks(canvas: Canvas, street: Street, frame: Frame) -> None:
    """A dashed centre line and a zebra crossing, worn in places."""
    worn = canvas.fine > -1.1
    for piece in [*_dashes(street, frame), *_stripes(street, frame)]:
        if (found := canvas.cover(piece)) is not None:
            part, mask = found
            mask &= worn[part]
            canvas.albedo[part][mask] = canvas.albedo[part][mask] * 0.5 + 0.33


def _dashes(street: Street, frame: Frame) -> list[shapely.Geometry]:
    """The dashes of the centre line, 3.5 m in every 7 m."""
    if not street.dashes:
        return []
    extent = int(frame.reach)
    ends = ((0, -0.07), (3.5, -0.07), (3.5, 0.07), (0, 0.07))
    return [
        shapely.Polygon([frame.xy(*street.uv(start + along, across)) for along, across in ends])
        for start in range(-extent, extent, 7)
    ]


def _stripes(street: Street, frame: Frame) -> list[shapely.Geometry]:
    """The stripes of the zebra crossing."""
    if not math.isfinite(street.zebra):
        return []
    ends = ((0, 0), (3, 0), (3, 0.5), (0, 0.5))
    return [
        shapely.Polygon([frame.xy(*street.uv(street.zebra + d, float(across) + e)) for d, e in ends])
        for across in np.arange(-street.width / 2 + 0.3, street.width / 2 - 0.5, 1.0)
    ]


_CROPS = ((0.10, 0.17, 0.05), (0.16, 0.22, 0.07), (0.30, 0.26, 0.13), (0.26, 0.20, 0.13), (0.20, 0.19, 0.09))
"""Colours of fields: dark and light green, ripe, ploughed, stubble."""


def _paint_field(spot: Spot, block: Block) -> None:
    """A crop or ploughed earth, in rows that are seen or not."""
    rng = spot.rng
    colour = np.array(_CROPS[rng.integers(len(_CROPS))]) * block.tone * (1 + rng.normal(0, 0.06, 3))
    rows = np.sin(spot.b * 2 * math.pi / rng.uniform(0.5, 1.6)) * rng.uniform(0, 0.16)
    texture = 1 + 0.12 * spot.fine + 0.12 * spot.grain + 0.1 * np.clip(spot.coarse, -1.5, 1.5) + rows
    green = float(colour[1] / colour.mean() - 0.9) * 2
    spot.put(colour, texture, nir=float(np.clip(0.2 + green, 0.2, 0.5)), height=0.15 + 0.1 * np.abs(spot.fine))
    if rng.uniform() < 0.5:  # a path or a bank around it
        edge = ~spot.box(0, 0, block.length / 2 - 0.5, block.width / 2 - 0.5)
        spot.put((0.2, 0.22, 0.1), texture, where=edge, nir=0.35)


def paint_ground(spot: Spot, block: Block, paving: Paving) -> None:
    """Soil, a pool, a car park with its lines, or the paving of a yard or drive."""
    tone = paving.asphalt * block.tone
    if block.kind == "earth":
        colour, texture = _earth(spot.canvas, spot, block.tone)
        grown = (spot.fine + 0.5 * spot.coarse) > 1.5  # tufts of grass
        spot.put(colour, texture, height=0.0)
        spot.put((0.17, 0.19, 0.08), texture, where=grown, nir=0.35)
        return
    if block.kind == "field":
        _paint_field(spot, block)
        return
    if block.kind == "soil":
        soil = np.array([0.36, 0.29, 0.20]) * block.tone
        spot.put(soil, 1 + 0.12 * spot.fine + 0.1 * spot.grain, height=np.abs(spot.fine) * 0.15)
    elif block.kind == "pool":
        rim = ~spot.box(0, 0, block.length / 2 - 0.35, block.width / 2 - 0.35)
        spot.put((0.09, 0.30, 0.36), 1 + 0.05 * spot.fine, nir=0.03, height=0.0)
        spot.put((0.42, 0.40, 0.37), 1 + 0.05 * spot.grain, where=rim, height=0.1)
    elif block.kind == "car park":
        spot.put(paving.asphalt, _asphalt(spot), height=0.0)
        lines = (np.abs((spot.a + block.length / 2) % 2.5) < 0.11) & (np.abs(spot.b) > block.width / 2 - 5)
        spot.put((0.55, 0.55, 0.53), where=lines)
    elif block.tone > 1.3:
        paint_pavement(spot, tone, 0.5)
    else:
        spot.put(tone, _asphalt(spot), height=0.0)

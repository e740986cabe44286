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
    """Asphalt with repaired patches, then kerb stones and marks."""
    spot.put(paving.asphalt, _asphalt(spot), height=0.0)
    for _ in range(6):  # repaired patches
        along, across = spot.rng.uniform(-150, 150), spot.rng.uniform(-1.5, 1.5)
        patch = spot.box(along, across, spot.rng.uniform(0.6, 4), 1.1)
        spot.canvas.albedo[spot.part][patch] *= np.float32(spot.rng.uniform(0.75, 1.25))
    _paint_kerb(spot.canvas, street, frame, paving.slabs)
    _paint_marks(spot.canvas, street, frame)


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


def paint_ground(spot: Spot, block: Block, paving: Paving) -> None:
    """Soil, a pool, a car park with its lines, or the paving of a yard or drive."""
    tone = paving.asphalt * block.tone
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

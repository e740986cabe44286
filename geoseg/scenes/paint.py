"""Objects to albedo and height.

Albedo is linear reflectance of red, green, blue and near infrared; height is metres over the ground. Each painter gets the
pixels of one object (a mask) and their positions in the object's own axes, and draws from the object's own seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine

from geoseg.arrays import Floats, Mask
from geoseg.scenes import noise
from geoseg.scenes.layout import Layout
from geoseg.scenes.objects import Block, Building, Car, Clutter, Street, Tree
from geoseg.scenes.outlines import street_band

__all__ = ["Canvas", "paint"]


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


@dataclass
class Canvas:
    """A window of the scene, its textures, and what has been painted so far.

    `albedo` is (H, W, 4) float32, `height` (H, W) float32 in metres; fine, coarse and grain are (H, W) textures.
    """

    row: int
    col: int
    gsd: float
    albedo: Floats
    height: Floats
    fine: Floats
    coarse: Floats
    grain: Floats

    @classmethod
    def empty(cls, seed: int, gsd: float, row: int, col: int, height: int, width: int) -> Canvas:
        """Nothing but textures; (row, col) is the first pixel, negative ones too."""
        place = (row, col, height, width)
        return cls(
            row,
            col,
            gsd,
            np.zeros((height, width, 4), np.float32),
            np.zeros((height, width), np.float32),
            noise.fractal(seed + 1, *place, cell=6 / gsd, octaves=6),
            noise.fractal(seed + 2, *place, cell=24 / gsd, octaves=4),
            noise.grain(seed + 3, *place),
        )

    def metres(self, window: tuple[slice, slice]) -> tuple[Floats, Floats]:
        """(x, y) of the pixel centres of a window, relative to the scene's corner."""
        ys = (np.arange(window[0].start, window[0].stop) + self.row + 0.5) * self.gsd
        xs = (np.arange(window[1].start, window[1].stop) + self.col + 0.5) * self.gsd
        x, y = np.meshgrid(xs, ys)
        return x.astype(np.float32), y.astype(np.float32)

    def cover(self, shape: shapely.Geometry) -> tuple[tuple[slice, slice], Mask] | None:
        """Window and mask of the pixels whose centre lies in a shape; None where it misses the canvas."""
        x0, y0, x1, y1 = shape.bounds
        high, wide = self.height.shape
        top, bottom = max(0, math.floor(y0 / self.gsd) - self.row), min(high, math.ceil(y1 / self.gsd) - self.row + 1)
        left, right = max(0, math.floor(x0 / self.gsd) - self.col), min(wide, math.ceil(x1 / self.gsd) - self.col + 1)
        if bottom <= top or right <= left:
            return None
        to_ground = Affine(self.gsd, 0, (self.col + left) * self.gsd, 0, self.gsd, (self.row + top) * self.gsd)
        burnt = rasterize([(shape, 1)], out_shape=(bottom - top, right - left), transform=to_ground, dtype="uint8")
        mask: Mask = np.asarray(burnt > 0)
        return ((slice(top, bottom), slice(left, right)), mask) if mask.any() else None


@dataclass
class Spot:
    """The pixels of one object: its window, mask, own axes (a along, b across, in metres) and generator."""

    canvas: Canvas
    window: tuple[slice, slice]
    mask: Mask
    a: Floats
    b: Floats
    rng: np.random.Generator

    @property
    def fine(self) -> Floats:
        return self.canvas.fine[self.window]

    @property
    def coarse(self) -> Floats:
        return self.canvas.coarse[self.window]

    @property
    def grain(self) -> Floats:
        return self.canvas.grain[self.window]

    def put(
        self,
        colour: Any,
        texture: Any = 1.0,
        *,
        nir: float | None = None,
        where: Mask | None = None,
        height: Any = None,
    ) -> None:
        """Colour (3,) or (H, W, 3), times a texture (H, W); height, where given, replaces what was there."""
        mask = self.mask if where is None else where & self.mask
        rgb = np.broadcast_to(np.asarray(colour, np.float32), (*self.mask.shape, 3))
        infrared = rgb.mean(2) * 1.1 if nir is None else np.full(self.mask.shape, nir, np.float32)
        full = np.dstack([rgb, infrared]) * np.broadcast_to(np.asarray(texture, np.float32), self.mask.shape)[..., None]
        self.canvas.albedo[self.window][mask] = np.maximum(full[mask], 0.008)
        if height is not None:
            self.canvas.height[self.window][mask] = np.broadcast_to(np.asarray(height, np.float32), mask.shape)[mask]

    def box(self, ca: float, cb: float, half_a: float, half_b: float) -> Mask:
        """Pixels of a rectangle in the object's own axes."""
        return np.asarray((np.abs(self.a - ca) < half_a) & (np.abs(self.b - cb) < half_b) & self.mask)


def _axes(canvas: Canvas, window: tuple[slice, slice], x: float, y: float, angle: float) -> tuple[Floats, Floats]:
    px, py = canvas.metres(window)
    c, s = math.cos(angle), math.sin(angle)
    return (px - x) * c + (py - y) * s, -(px - x) * s + (py - y) * c


def lawn(canvas: Canvas, seed: int, layout: Layout) -> None:
    """Grass from lush to dry, mown in stripes in some scenes."""
    rng = np.random.default_rng([seed, 11])
    base = np.array([0.16, 0.20, 0.075]) * rng.uniform(0.7, 1.35) + rng.normal(0, 0.012, 3)
    dry = np.array([0.27, 0.24, 0.13]) + rng.normal(0, 0.015, 3)
    t = np.clip(0.35 + 0.35 * canvas.coarse + rng.normal(0, 0.3), 0, 1)[..., None] * 0.7
    rgb = base * (1 - t) + dry * t
    texture = 1 + 0.10 * canvas.fine + 0.13 * canvas.grain
    if rng.uniform() < 0.4:
        whole = (slice(0, canvas.height.shape[0]), slice(0, canvas.height.shape[1]))
        _, across = _axes(canvas, whole, 0, 0, layout.frame.angle)
        texture = texture * (1 + 0.05 * np.sign(np.sin(across * 2 * math.pi / rng.uniform(1, 2.4))))
    infrared = 0.42 * (1 - t) + 0.3 * t
    canvas.albedo[:] = np.maximum(np.dstack([rgb, infrared]) * texture[..., None], 0.01)
    canvas.height[:] = np.abs(canvas.fine) * 0.05


def _asphalt(spot: Spot) -> Floats:
    return np.asarray(1 + 0.06 * spot.fine + 0.06 * spot.grain + 0.07 * np.clip(spot.coarse, -1.5, 1.5), np.float32)


def pavement(spot: Spot, tone: npt.NDArray[np.float64], per: float) -> None:
    """Slabs with joints."""
    joints = (np.abs((spot.a / per) % 1 - 0.5) > 0.44) | (np.abs((spot.b / per) % 1 - 0.5) > 0.44)
    spot.put(tone, _asphalt(spot) * np.where(joints, 0.86, 1.0), height=0.0)


def _street(spot: Spot, street: Street, layout: Layout, tone: npt.NDArray[np.float64]) -> None:
    spot.put(tone, _asphalt(spot), height=0.0)
    for _ in range(6):  # repaired patches
        along, across = spot.rng.uniform(-150, 150), spot.rng.uniform(-1.5, 1.5)
        patch = spot.box(along, across, spot.rng.uniform(0.6, 4), 1.1)
        spot.canvas.albedo[spot.window][patch] *= np.float32(spot.rng.uniform(0.75, 1.25))


def street_marks(canvas: Canvas, street: Street, layout: Layout) -> None:
    """Dashed centre line and a zebra crossing; worn in places."""
    worn = canvas.fine > -1.1
    pieces: list[shapely.Geometry] = []
    if street.dashes:
        extent = int(math.hypot(layout.width, layout.height) * 0.55)
        for start in range(-extent, extent, 7):
            ends = [
                layout.frame.xy(*street.uv(start + d, across))
                for d, across in ((0, -0.07), (3.5, -0.07), (3.5, 0.07), (0, 0.07))
            ]
            pieces.append(shapely.Polygon(ends))
    if math.isfinite(street.zebra):
        for across in np.arange(-street.width / 2 + 0.3, street.width / 2 - 0.5, 1.0):
            ends = [
                layout.frame.xy(*street.uv(street.zebra + d, float(across) + e))
                for d, e in ((0, 0), (3, 0), (3, 0.5), (0, 0.5))
            ]
            pieces.append(shapely.Polygon(ends))
    for piece in pieces:
        if (found := canvas.cover(piece)) is not None:
            window, mask = found
            mask &= worn[window]
            canvas.albedo[window][mask] = canvas.albedo[window][mask] * 0.5 + 0.33


def _block(spot: Spot, block: Block, tone: npt.NDArray[np.float64]) -> None:
    if block.kind == "soil":
        spot.put(
            np.array([0.36, 0.29, 0.20]) * block.tone,
            1 + 0.12 * spot.fine + 0.1 * spot.grain,
            height=np.abs(spot.fine) * 0.15,
        )
    elif block.kind == "pool":
        rim = ~spot.box(0, 0, block.length / 2 - 0.35, block.width / 2 - 0.35)
        spot.put((0.09, 0.30, 0.36), 1 + 0.05 * spot.fine, nir=0.03, height=0.0)
        spot.put((0.42, 0.40, 0.37), 1 + 0.05 * spot.grain, where=rim, height=0.1)
    elif block.kind == "car park":
        spot.put(tone, _asphalt(spot), height=0.0)
        lines = (np.abs((spot.a + block.length / 2) % 2.5) < 0.11) & (np.abs(spot.b) > block.width / 2 - 5)
        spot.put((0.55, 0.55, 0.53), where=lines)
    else:
        pavement(spot, tone * block.tone, 0.5) if block.tone > 1.3 else spot.put(
            tone * block.tone, _asphalt(spot), height=0.0
        )


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


def _building(spot: Spot, building: Building) -> None:
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
    _roof_details(spot, building, top, flat)


def _inset(spot: Spot, building: Building, width: float) -> Mask:
    inner = np.zeros(spot.mask.shape, bool)
    for ca, cb, half_a, half_b in building.wings:
        inner |= spot.box(ca, cb, half_a - width, half_b - width)
    return inner


def _roof_details(spot: Spot, building: Building, top: Floats, flat: bool) -> None:
    """Chimneys, roof windows, plant, solar panels."""
    rng = spot.rng
    _, _, half_a, half_b = building.wings[0]
    for _ in range(int(rng.integers(0, 4))):
        where = spot.box(rng.uniform(-0.8, 0.8) * half_a, rng.uniform(-0.6, 0.6) * half_b, 0.35, 0.3)
        spot.put((0.22, 0.12, 0.09), 1 + 0.05 * spot.grain, where=where, height=top + 1.2)
    for _ in range(int(rng.integers(0, 6))):
        glass = np.array([0.9, 1, 1.15]) * float(rng.choice([0.07, 0.45]))
        where = spot.box(rng.uniform(-0.8, 0.8) * half_a, rng.uniform(-0.8, 0.8) * half_b, 0.4, 0.55)
        spot.put(glass, where=where, height=top + 0.08)
    if flat:
        for _ in range(int(rng.integers(0, 6))):
            where = spot.box(
                rng.uniform(-0.8, 0.8) * half_a,
                rng.uniform(-0.8, 0.8) * half_b,
                rng.uniform(0.5, 2),
                rng.uniform(0.5, 1.6),
            )
            spot.put(
                np.ones(3) * rng.uniform(0.25, 0.6),
                1 + 0.05 * spot.grain,
                where=where,
                height=top + rng.uniform(0.6, 2),
            )
    if rng.uniform() < 0.18:
        where = spot.box(
            rng.uniform(-0.4, 0.4) * half_a, rng.choice([-0.45, 0.45]) * half_b, half_a * 0.55, half_b * 0.32
        )
        seams = ((spot.a % 1.0) < 0.07) | ((spot.b % 1.65) < 0.07)
        spot.put(np.where(seams[..., None], 0.2, np.array([0.03, 0.04, 0.085])), where=where)


def _car(spot: Spot, car: Car) -> None:
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


def _tree(spot: Spot, tree: Tree, leaf_off: bool) -> None:
    rng, radius = spot.rng, tree.radius
    distance = np.hypot(spot.a, spot.b)
    kind = rng.uniform()
    colour = np.array(
        [0.085, 0.125, 0.04] if kind < 0.7 else [0.05, 0.085, 0.05] if kind < 0.85 else [0.17, 0.13, 0.05]
    )
    colour = colour * rng.uniform(0.65, 1.5) + rng.normal(0, 0.008, 3)
    top = rng.uniform(0.9, 1.7) * radius + rng.uniform(1.5, 4)
    lumps = np.zeros_like(distance)
    for _ in range(int(6 + radius * radius * 1.6)):  # clusters of leaves
        at, towards, size = radius * math.sqrt(rng.uniform()), rng.uniform(0, 2 * math.pi), rng.uniform(0.35, 1.1)
        d2 = ((spot.a - at * math.cos(towards)) ** 2 + (spot.b - at * math.sin(towards)) ** 2) / size**2
        lumps = np.maximum(lumps, size * np.sqrt(np.maximum(0, 1 - d2)))
    dome = top - radius * 0.8 + radius * 0.8 * np.sqrt(np.maximum(0, 1 - (distance / (radius * 1.25)) ** 2))
    crown = np.maximum(dome + lumps * 0.9 + 0.16 * spot.grain + 0.15 * spot.fine, 0.5)
    if leaf_off and rng.uniform() < 0.6:
        direction = np.arctan2(spot.b, spot.a)
        wood = np.abs(spot.fine * 3 % 1 - 0.5) < 0.1
        for _ in range(int(9 + radius * 5)):
            towards, thick = rng.uniform(-math.pi, math.pi), rng.uniform(0.03, 0.075)
            bend = np.abs(np.sin(direction - towards + 0.15 * np.sin(distance * 1.7 + towards))) * distance
            wood |= (bend < thick) & (np.cos(direction - towards) > 0) & (distance < radius * rng.uniform(0.4, 1.1))
        spot.put((0.16, 0.135, 0.11), 1 + 0.2 * spot.grain, where=wood, height=crown)
        return
    over = np.maximum(crown, spot.canvas.height[spot.window] + 0.3)
    spot.put(
        np.maximum(colour, 0.012),
        1 + 0.16 * spot.fine + 0.15 * spot.grain + 0.35 * (lumps - 0.4),
        nir=0.45,
        height=over,
    )


def _clutter(spot: Spot, thing: Clutter) -> None:
    rng = spot.rng
    colour = {
        "box": rng.uniform(0.05, 0.45, 3),
        "fence": np.array([0.2, 0.17, 0.14]),
        "heap": np.array([0.3, 0.26, 0.22]),
        "bin": rng.uniform(0.04, 0.3, 3),
    }[thing.kind]
    texture = 1 + 0.05 * spot.grain
    if thing.kind == "box":
        texture = texture + 0.12 * np.sign(np.sin(spot.a * 2 * math.pi / 0.4))
    if thing.kind == "heap":
        texture = texture + 0.25 * spot.grain + 0.1 * spot.fine
    rise = thing.height * (1 + 0.3 * spot.fine) if thing.kind == "heap" else thing.height
    spot.put(colour, texture, height=rise)


_PLACE: dict[type, Callable[[Any], tuple[float, float, float]]] = {
    Block: lambda o: (o.x, o.y, o.angle),
    Building: lambda o: (o.x, o.y, o.angle),
    Car: lambda o: (o.x, o.y, o.heading),
    Tree: lambda o: (o.x, o.y, 0.0),
    Clutter: lambda o: (o.x, o.y, o.angle),
}


def paint(canvas: Canvas, seed: int, layout: Layout, stack: list[tuple[int, object | None, shapely.Geometry]]) -> None:
    """Paint all objects that reach the canvas, from the ground up."""
    rng = np.random.default_rng([seed, 13])
    tone = rng.uniform(0.10, 0.24) * (1 + rng.normal(0, 0.02, 3))
    side = rng.uniform(0.26, 0.40) * np.array([1.03, 1.0, 0.94]) * (1 + rng.normal(0, 0.03, 3))
    slabs = float(rng.uniform(0.3, 0.9))
    lawn(canvas, seed, layout)
    painted_streets = 0
    for _, thing, shape in stack:
        if isinstance(thing, Street):
            painted_streets += 1
        if (found := canvas.cover(shape)) is None:
            continue
        window, mask = found
        frame = layout.frame
        place = _PLACE[type(thing)](thing) if type(thing) in _PLACE else (frame.x0, frame.y0, frame.angle)
        own = getattr(thing, "seed", None)
        spot = Spot(
            canvas, window, mask, *_axes(canvas, window, *place), np.random.default_rng([seed, own or painted_streets])
        )
        if thing is None:
            pavement(spot, side, slabs)
        elif isinstance(thing, Street):
            _street(spot, thing, layout, tone)
            _kerb(canvas, thing, layout, side)
            street_marks(canvas, thing, layout)
        elif isinstance(thing, Block):
            _block(spot, thing, tone)
        elif isinstance(thing, Tree):
            _tree(spot, thing, layout.style.leaf_off)
        else:
            _PAINTERS[type(thing)](spot, thing)


_PAINTERS: dict[type, Callable[[Spot, Any], None]] = {Building: _building, Car: _car, Clutter: _clutter}


def _kerb(canvas: Canvas, street: Street, layout: Layout, tone: npt.NDArray[np.float64]) -> None:
    """A light line of kerb stones along both sides of the carriageway."""
    for side in (-1, 1):
        edge = side * street.width / 2
        if (found := canvas.cover(street_band(street, layout, edge - side * 0.16, edge))) is not None:
            window, mask = found
            canvas.albedo[window][mask] = np.array([*(tone * 1.1), tone.mean() * 1.2], np.float32)

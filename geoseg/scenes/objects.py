"""The objects of a scene: frozen values in metres, x to the right and y down from the scene's upper left corner."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Block", "Building", "Car", "Clutter", "Frame", "Layout", "Street", "Style", "Thing", "Tree"]


@dataclass(frozen=True)
class Style:
    """One value for a whole scene: the quarter, the sun and the camera.

    Angles are degrees; the azimuth is the direction of the sun, clockwise from x in the image. `quarter` is a key of
    `quarters.QUARTERS`; `leaf_off` means that some trees are bare. The rest are factors and shares that `light` uses.
    """

    quarter: str
    sun_elevation: float
    sun_azimuth: float
    leaf_off: bool
    tint: tuple[float, float, float]
    saturation: float
    gamma: float
    sky: float
    exposure: float
    blur: float
    noise: float
    contrast: float
    haze: float


@dataclass(frozen=True)
class Frame:
    """A gently bent street grid: (u, v) along and across the main streets to (x, y).

    The main streets run at `angle` (radians) through the middle (x0, y0) of the scene, and swing by `bend` metres.
    """

    angle: float
    bend: float
    wavelength: float
    phase: float
    x0: float
    y0: float

    @property
    def reach(self) -> float:
        """Metres from the middle of the scene that streets must reach to cross all of it: 0.55 of its diagonal."""
        return math.hypot(2 * self.x0, 2 * self.y0) * 0.55

    def xy(self, u: float, v: float) -> tuple[float, float]:
        """Position in metres."""
        v = v - self.bend * math.sin(u / self.wavelength + self.phase)
        c, s = math.cos(self.angle), math.sin(self.angle)
        return self.x0 + u * c - v * s, self.y0 + u * s + v * c

    def heading(self, u: float) -> float:
        """Direction of increasing u, in radians."""
        slope = -self.bend / self.wavelength * math.cos(u / self.wavelength + self.phase)
        return self.angle + math.atan(slope)


@dataclass(frozen=True)
class Street:
    """One street of the grid: `axis` "u" runs along u at v = position, "v" the other way.

    `earth`: it is unpaved.
    """

    axis: str
    position: float
    width: float
    verge: float
    pavement: float
    dashes: bool
    zebra: float
    earth: bool = False

    def uv(self, along: float, across: float) -> tuple[float, float]:
        """(u, v) of a point given along the street and across it from its centre line."""
        if self.axis == "u":
            return along, self.position + across
        return self.position + across, along


@dataclass(frozen=True)
class Block:
    """Ground that is not street: a rectangle around (x, y), turned by `angle`.

    `kind` is yard, drive, car park, soil, pool, earth (trodden) or field; `tone` is a factor of its colour.
    """

    kind: str
    x: float
    y: float
    angle: float
    length: float
    width: float
    tone: float


@dataclass(frozen=True)
class Building:
    """A footprint of one to three rectangles and a roof.

    Each of `wings` is (centre along, centre across, half length, half width) in the building's own axes. `eaves` is the
    height of the eaves; `roof` is flat, hip or gable; `pitch` is the slope of the roof (rise over run). `cover` is ""
    for tiles or a plain flat roof, metal (sheets), or terrace (concrete that people live on).
    """

    x: float
    y: float
    angle: float
    wings: tuple[tuple[float, float, float, float], ...]
    eaves: float
    roof: str
    pitch: float
    seed: int
    cover: str = ""


@dataclass(frozen=True)
class Car:
    """A vehicle: heading in radians, size in metres."""

    x: float
    y: float
    heading: float
    length: float
    width: float
    seed: int

    @property
    def long(self) -> bool:
        """Van, lorry or bus rather than a car."""
        return self.length > 5.1


@dataclass(frozen=True)
class Tree:
    """A crown whose radius varies with direction: radius (1 + sum a_k sin(f_k phi + p_k))."""

    x: float
    y: float
    radius: float
    waves: tuple[tuple[int, float, float], ...]
    seed: int

    def reach(self, direction: float) -> float:
        """Radius of the crown in one direction, in metres."""
        return self.radius * (1 + sum(a * math.sin(f * direction + p) for f, a, p in self.waves))


@dataclass(frozen=True)
class Clutter:
    """Anything else that has a height: a box (container), fence, heap, bin, wall, stack (bricks) or tarpaulin."""

    kind: str
    x: float
    y: float
    angle: float
    length: float
    width: float
    height: float
    seed: int


Thing = Street | Block | Building | Car | Tree | Clutter
"""Any object of a scene."""


@dataclass(frozen=True)
class Layout:
    """All objects of one scene of width x height metres, each kind in painter's order."""

    width: float
    height: float
    style: Style
    frame: Frame
    streets: tuple[Street, ...]
    grounds: tuple[Block, ...]
    buildings: tuple[Building, ...]
    clutter: tuple[Clutter, ...]
    cars: tuple[Car, ...]
    trees: tuple[Tree, ...]

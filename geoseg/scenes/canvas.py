"""The canvas that a window of a scene is painted on, and the pixels of one object on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Floats, Mask
from geoseg.scenes import noise

__all__ = ["Canvas", "Slices", "Spot", "axes"]

Slices = tuple[slice, slice]
"""Rows and columns of an array."""


@dataclass
class Canvas:
    """A window of the scene, its textures, and all that has been painted so far.

    `window` counts pixels of `gsd` metres from the scene's upper left corner, also negative ones; `albedo` is float32
    (H, W, 4), linear reflectance of red, green, blue and near infrared; `height` is float32 (H, W), metres above the
    ground; `fine`, `coarse` and `grain` are textures, float32 (H, W). `seed` is the scene's.
    """

    window: Window
    gsd: float
    albedo: Floats
    height: Floats
    fine: Floats
    coarse: Floats
    grain: Floats
    seed: int = 0

    @classmethod
    def empty(cls, seed: int, gsd: float, window: Window) -> Canvas:
        """A canvas with its textures and nothing else."""
        high, wide = window.height, window.width
        return cls(
            window,
            gsd,
            albedo=np.zeros((high, wide, 4), np.float32),
            height=np.zeros((high, wide), np.float32),
            fine=noise.fractal(seed + 1, window, cell=6 / gsd, octaves=6),
            coarse=noise.fractal(seed + 2, window, cell=24 / gsd, octaves=4),
            grain=noise.grain(seed + 3, window),
            seed=seed,
        )

    @property
    def whole(self) -> Slices:
        """All rows and columns."""
        return slice(0, self.window.height), slice(0, self.window.width)

    def metres(self, part: Slices) -> tuple[Floats, Floats]:
        """(x, y) of the pixel centres of a part of the canvas, from the scene's upper left corner."""
        ys = (np.arange(part[0].start, part[0].stop) + self.window.row_off + 0.5) * self.gsd
        xs = (np.arange(part[1].start, part[1].stop) + self.window.col_off + 0.5) * self.gsd
        x, y = np.meshgrid(xs, ys)
        return x.astype(np.float32), y.astype(np.float32)

    def cover(self, shape: shapely.Geometry) -> tuple[Slices, Mask] | None:
        """The part of the canvas around a shape, and which of its pixel centres lie in the shape; None without any."""
        x0, y0, x1, y1 = shape.bounds
        row, col, gsd = self.window.row_off, self.window.col_off, self.gsd
        high, wide = self.height.shape
        top, bottom = max(0, math.floor(y0 / gsd) - row), min(high, math.ceil(y1 / gsd) - row + 1)
        left, right = max(0, math.floor(x0 / gsd) - col), min(wide, math.ceil(x1 / gsd) - col + 1)
        if bottom <= top or right <= left:
            return None
        to_ground = Affine(gsd, 0, (col + left) * gsd, 0, gsd, (row + top) * gsd)
        burnt = rasterize([(shape, 1)], out_shape=(bottom - top, right - left), transform=to_ground, dtype="uint8")
        mask: Mask = np.asarray(burnt > 0)
        return ((slice(top, bottom), slice(left, right)), mask) if mask.any() else None


@dataclass
class Spot:
    """The pixels of one object: its part of the canvas, its mask, and its own generator.

    `a` and `b` are the positions of the pixels in the object's own axes, along and across, in metres.
    """

    canvas: Canvas
    part: Slices
    mask: Mask
    a: Floats
    b: Floats
    rng: np.random.Generator

    @property
    def fine(self) -> Floats:
        """The fine texture of its pixels."""
        return self.canvas.fine[self.part]

    @property
    def coarse(self) -> Floats:
        """The coarse texture of its pixels."""
        return self.canvas.coarse[self.part]

    @property
    def grain(self) -> Floats:
        """The white noise of its pixels."""
        return self.canvas.grain[self.part]

    def put(
        self,
        colour: npt.ArrayLike,
        texture: npt.ArrayLike = 1.0,
        *,
        nir: float | None = None,
        where: Mask | None = None,
        height: npt.ArrayLike | None = None,
    ) -> None:
        """Paint the object's pixels.

        Args:
            colour: red, green, blue as (3,) or (H, W, 3).
            texture: factor of the colour, a number or (H, W).
            nir: near infrared; 1.1 times the mean of the colour where it is not given.
            where: only these of the object's pixels.
            height: metres, a number or (H, W); replaces the height that was there.
        """
        mask = self.mask if where is None else where & self.mask
        rgb = np.broadcast_to(np.asarray(colour, np.float32), (*self.mask.shape, 3))
        infrared = rgb.mean(2) * 1.1 if nir is None else np.full(self.mask.shape, nir, np.float32)
        full = np.dstack([rgb, infrared]) * np.broadcast_to(np.asarray(texture, np.float32), self.mask.shape)[..., None]
        self.canvas.albedo[self.part][mask] = np.maximum(full[mask], 0.008)
        if height is not None:
            self.canvas.height[self.part][mask] = np.broadcast_to(np.asarray(height, np.float32), mask.shape)[mask]

    def box(self, ca: float, cb: float, half_a: float, half_b: float) -> Mask:
        """The pixels of a rectangle around (ca, cb) in the object's own axes."""
        return np.asarray((np.abs(self.a - ca) < half_a) & (np.abs(self.b - cb) < half_b) & self.mask)


def axes(canvas: Canvas, part: Slices, place: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Positions of pixels along and across the axes of an object at `place`: x, y in metres and angle in radians."""
    x, y, angle = place
    px, py = canvas.metres(part)
    c, s = math.cos(angle), math.sin(angle)
    return (px - x) * c + (py - y) * s, -(px - x) * s + (py - y) * c

"""Augmentation of image and label together.

The place of a sample, its turn and its pixel size are drawn once and used for both. The image is sampled bilinearly
(after averaging, where pixels shrink), the label always by nearest neighbour. Outside the data the label is 255 and the
image has the network's mean. Colour, blur, noise and JPEG then change the image alone.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

from geoseg.arrays import Bytes, Valid
from geoseg.arrays import Image as Pixels
from geoseg.classes import NODATA

__all__ = ["NONE", "Augmentation", "Pose", "change_photo", "draw_pose", "lay_crop"]


@dataclass(frozen=True)
class Augmentation:
    """The changes that a sample may undergo.

    `flip` allows mirroring and quarter turns; `scale` bounds the pixel size relative to the network's own; `rotate` is
    the chance of a free angle instead of a quarter turn; `colour` is a strength (0 none, 1 usual). The others are
    chances, 0 to 1; `nodata` is that of a strip without data.
    """

    flip: bool = True
    scale: tuple[float, float] = (0.75, 1.33)
    rotate: float = 0.3
    colour: float = 1.0
    grey: float = 0.02
    blur: float = 0.2
    noise: float = 0.2
    jpeg: float = 0.2
    nodata: float = 0.1

    def at_strength(self, strength: float) -> Augmentation:
        """The same, weaker or stronger; strength 0 leaves only flips and quarter turns."""
        low, high = self.scale
        chances = ("rotate", "grey", "blur", "noise", "jpeg", "nodata")
        return replace(
            self,
            scale=(low**strength, high**strength),
            colour=self.colour * strength,
            **{name: min(1.0, getattr(self, name) * strength) for name in chances},
        )


NONE = Augmentation(False, (1.0, 1.0), 0, 0, 0, 0, 0, 0, 0)
"""No change at all."""


@dataclass(frozen=True)
class Pose:
    """The position of a crop of `side` pixels on its source.

    `zoom` is source pixels per crop pixel; the crop is turned by `angle` (radians), and mirrored or not.
    """

    side: int
    zoom: float
    angle: float
    mirrored: bool

    @property
    def reach(self) -> int:
        """Side of the source window, in source pixels, that holds the whole crop."""
        spread = abs(math.cos(self.angle)) + abs(math.sin(self.angle))
        return math.ceil(self.side * self.zoom * spread - 1e-6)

    @property
    def exact(self) -> bool:
        """True for quarter turns and flips alone: pixels move and keep their values."""
        quarters = self.angle / (math.pi / 2)
        return abs(self.zoom - 1) < 1e-9 and abs(quarters - round(quarters)) < 1e-9


def draw_pose(rng: np.random.Generator, augmentation: Augmentation, side: int, ratio: float) -> Pose:
    """A random pose for a source with `ratio` source pixels per network pixel."""
    low, high = augmentation.scale
    zoom = ratio * math.exp(rng.uniform(math.log(low), math.log(high)))
    turn = rng.integers(4) * math.pi / 2 if augmentation.flip else 0.0
    if rng.uniform() < augmentation.rotate:
        turn = rng.uniform(0, 2 * math.pi)
    return Pose(side, zoom, float(turn), bool(augmentation.flip and rng.integers(2)))


def lay_crop(
    image: Pixels, labels: Bytes, valid: Valid, pose: Pose, fill: npt.NDArray[np.float32]
) -> tuple[Pixels, Bytes]:
    """Crop (C, S, S) and labels uint8 (..., S, S) out of a square source window of R = `pose.reach` pixels a side.

    Args:
        image: (C, R, R), uint8 or float32; the crop has the same type.
        labels: uint8 (R, R), or several planes (L, R, R) of them.
        valid: bool (R, R); elsewhere the image becomes `fill` and the label 255.
        pose: how the crop lies in the window.
        fill: one value for each band.
    """
    labels = np.where(valid, labels, NODATA).astype(np.uint8)
    if not valid.all():
        image = np.where(valid, image, _like(fill, image)[:, None, None])
    if pose.exact:
        turns = round(pose.angle / (math.pi / 2)) % 4
        turned, named = np.rot90(image, turns, (1, 2)), np.rot90(labels, turns, (-2, -1))
        if pose.mirrored:
            turned, named = turned[:, :, ::-1], named[..., ::-1]
        return np.ascontiguousarray(turned), np.ascontiguousarray(named)
    return _sample(image, labels, pose)


def _like(values: npt.NDArray[np.float32], image: Pixels) -> Pixels:
    """Values in the type of an image: whole grey levels of uint8, else as they are."""
    if image.dtype == np.uint8:
        return np.round(values).clip(0, 255).astype(np.uint8)
    return values.astype(image.dtype)


def _sample(image: Pixels, labels: Bytes, pose: Pose) -> tuple[Pixels, Bytes]:
    """A crop at any angle and zoom: bilinear image, nearest labels."""
    reach, side = labels.shape[-1], pose.side
    c, s = math.cos(pose.angle), math.sin(pose.angle)
    step = pose.zoom * side / reach  # half a crop, in half windows
    flip = -1.0 if pose.mirrored else 1.0
    theta = torch.tensor([[[step * c * flip, -step * s, 0.0], [step * s * flip, step * c, 0.0]]])
    grid = functional.affine_grid(theta, [1, 1, side, side], align_corners=False)
    pixels = torch.from_numpy(np.ascontiguousarray(image))[None].float()
    if pose.zoom > 1.5:  # bilinear sampling would skip pixels: average first
        small = max(1, round(reach / pose.zoom))
        pixels = functional.interpolate(pixels, size=(small, small), mode="area")
    crop = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
    column = ((grid[0, :, :, 0] + 1) * reach / 2).floor().long()
    row = ((grid[0, :, :, 1] + 1) * reach / 2).floor().long()
    inside = (column >= 0) & (column < reach) & (row >= 0) & (row < reach)
    named = torch.from_numpy(np.ascontiguousarray(labels))[..., row.clamp(0, reach - 1), column.clamp(0, reach - 1)]
    named = torch.where(inside, named, torch.tensor(NODATA, dtype=torch.uint8))
    return _like(crop.numpy(), image), named.numpy()


def change_photo(
    image: Pixels,
    labels: Bytes,
    rng: np.random.Generator,
    augmentation: Augmentation,
    fill: npt.NDArray[np.float32],
    full: float = 255.0,
) -> tuple[Pixels, Bytes]:
    """Another camera, weather and compression for the image (C, S, S), uint8 or float32; labels uint8 (..., S, S) stay.

    Now and then a strip at an edge has no data: it gets the values of `fill`, one for each band, and the label 255.
    `full` is the value of the brightest pixel. Images of floats are never stored as JPEG, which has 8 bits.
    """
    side = labels.shape[-1]
    if augmentation.colour > 0:
        image = _recolour(image, rng, augmentation.colour, full)
    if rng.uniform() < augmentation.grey and len(image) >= 3:
        image = image.copy()
        image[:3] = _like(image[:3].mean(0, dtype=np.float32), image)
    if rng.uniform() < augmentation.blur:
        image = _blur(image, float(rng.uniform(0.4, 1.2)))
    if rng.uniform() < augmentation.noise:
        shake = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 7) * full / 255)
        image = np.clip(image + shake, 0, full).astype(image.dtype)
    if rng.uniform() < augmentation.jpeg and len(image) == 3:
        quality = int(rng.integers(45, 95))
        image = _through_jpeg(image, quality) if image.dtype == np.uint8 else image
    if rng.uniform() < augmentation.nodata:
        edge, quarter = int(rng.integers(side // 16, side // 2)), int(rng.integers(4))
        image, labels = image.copy(), labels.copy()
        np.rot90(image, quarter, (1, 2))[:, :edge] = _like(fill, image)[:, None, None]
        np.rot90(labels, quarter, (-2, -1))[..., :edge, :] = NODATA
    return np.ascontiguousarray(image), labels


def _through_jpeg(image: Bytes, quality: int) -> Bytes:
    """The image (3, H, W) after it was stored with loss."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).transpose(2, 0, 1)


def _recolour(image: Pixels, rng: np.random.Generator, strength: float, full: float) -> Pixels:
    """Gamma, gain, contrast and offset per band, for uint8 by a table of 256 values; then saturation of three bands."""
    small = image.dtype == np.uint8
    table = np.linspace(0, 1, 256, dtype=np.float32)
    gamma, gain = math.exp(rng.normal(0, 0.22 * strength)), math.exp(rng.normal(0, 0.15 * strength))
    contrast, offset = math.exp(rng.normal(0, 0.15 * strength)), rng.normal(0, 0.04 * strength)
    bands = []
    for band in image:
        own = math.exp(rng.normal(0, 0.06 * strength))
        x = table if small else np.clip(band / np.float32(full), 0, 1)
        curve = (x**gamma * gain * own - 0.4) * contrast + 0.4 + offset + rng.normal(0, 0.015 * strength)
        values = np.clip(full * curve, 0, full).astype(np.float32)
        bands.append(values[band] if small else values)
    out = np.stack(bands)
    if len(image) >= 3:
        grey = out[:3].mean(0, keepdims=True)
        keep = float(np.clip(1 + rng.normal(0, 0.3 * strength), 0, 2))
        out[:3] = grey + (out[:3] - grey) * np.float32(keep)
    return np.asarray(np.clip(out, 0, full), image.dtype)


def _blur(image: Pixels, sigma: float) -> Pixels:
    x = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum())[None, None]
    pixels = functional.pad(
        torch.from_numpy(np.ascontiguousarray(image))[:, None].float(), (3, 3, 3, 3), mode="replicate"
    )
    out = functional.conv2d(functional.conv2d(pixels, kernel[:, :, :, None]), kernel[:, :, None, :])
    return _like(out[:, 0].numpy(), image)

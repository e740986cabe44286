"""Augmentation of image and label together.

Where a sample lies, how it is turned and how large its pixels are is drawn once and used for both: the image is sampled bilinearly
(averaged first where pixels shrink), the label only ever by nearest neighbour; what falls outside the data is 255 in the label and
the network's mean in the image. Colour, blur, noise and JPEG then change the image alone.
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
from geoseg.classes import NODATA

__all__ = ["NONE", "Augmentation", "Pose", "draw_pose", "photographed", "posed"]


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a sample; probabilities 0 to 1, `colour` a strength (0 none, 1 usual).

    `scale` bounds the pixel size relative to the network's own; `rotate` is the chance of a free angle instead of a quarter turn.
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

    def scaled(self, strength: float) -> Augmentation:
        """The same, weaker or stronger: 0 leaves flips and quarter turns only."""
        low, high = self.scale
        return replace(
            self,
            scale=(low**strength, high**strength),
            colour=self.colour * strength,
            **{
                name: min(1.0, getattr(self, name) * strength)
                for name in ("rotate", "grey", "blur", "noise", "jpeg", "nodata")
            },
        )


NONE = Augmentation(False, (1.0, 1.0), 0, 0, 0, 0, 0, 0, 0)
"""Samples as they are."""


@dataclass(frozen=True)
class Pose:
    """How a crop of `side` pixels lies on its source: `zoom` source pixels per crop pixel, turned by `angle`, mirrored or not."""

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
        """Whether it is only a quarter turn and a flip: pixels move and do not change."""
        quarters = self.angle / (math.pi / 2)
        return abs(self.zoom - 1) < 1e-9 and abs(quarters - round(quarters)) < 1e-9


def draw_pose(rng: np.random.Generator, augmentation: Augmentation, side: int, ratio: float) -> Pose:
    """A pose for a source with `ratio` source pixels per network pixel."""
    low, high = augmentation.scale
    zoom = ratio * math.exp(rng.uniform(math.log(low), math.log(high)))
    turn = rng.integers(4) * math.pi / 2 if augmentation.flip else 0.0
    if rng.uniform() < augmentation.rotate:
        turn = rng.uniform(0, 2 * math.pi)
    return Pose(side, zoom, float(turn), bool(augmentation.flip and rng.integers(2)))


def posed(image: Bytes, labels: Bytes, valid: Valid, pose: Pose, fill: npt.NDArray[np.float32]) -> tuple[Bytes, Bytes]:
    """The crop (C, S, S) and its labels (S, S) out of a square source window of `pose.reach` pixels.

    Args:
        image: uint8 (C, R, R).
        labels: uint8 (R, R).
        valid: bool (R, R); elsewhere the image becomes `fill` and the label 255.
        pose: how the crop lies in the window.
        fill: one value for each band.
    """
    labels = np.where(valid, labels, NODATA).astype(np.uint8)
    if not valid.all():
        image = np.where(valid, image, np.round(fill).astype(np.uint8)[:, None, None])
    if pose.exact:
        turns = round(pose.angle / (math.pi / 2)) % 4
        turned, named = np.rot90(image, turns, (1, 2)), np.rot90(labels, turns)
        if pose.mirrored:
            turned, named = turned[:, :, ::-1], named[:, ::-1]
        return np.ascontiguousarray(turned), np.ascontiguousarray(named)
    return _sampled(image, labels, pose)


def _sampled(image: Bytes, labels: Bytes, pose: Pose) -> tuple[Bytes, Bytes]:
    reach, side = labels.shape[0], pose.side
    c, s = math.cos(pose.angle), math.sin(pose.angle)
    step = pose.zoom * side / reach  # half a crop, in half windows
    flip = -1.0 if pose.mirrored else 1.0
    theta = torch.tensor([[[step * c * flip, -step * s, 0.0], [step * s * flip, step * c, 0.0]]])
    grid = functional.affine_grid(theta, [1, 1, side, side], align_corners=False)
    pixels = torch.from_numpy(np.ascontiguousarray(image))[None].float()
    if pose.zoom > 1.5:  # shrunk by more than bilinear sampling sees: average first
        small = max(1, round(reach / pose.zoom))
        pixels = functional.interpolate(pixels, size=(small, small), mode="area")
    crop = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
    column = ((grid[0, :, :, 0] + 1) * reach / 2).floor().long()
    row = ((grid[0, :, :, 1] + 1) * reach / 2).floor().long()
    inside = (column >= 0) & (column < reach) & (row >= 0) & (row < reach)
    named = torch.from_numpy(np.ascontiguousarray(labels))[row.clamp(0, reach - 1), column.clamp(0, reach - 1)]
    named = torch.where(inside, named, torch.tensor(NODATA, dtype=torch.uint8))
    return crop.round().clamp(0, 255).to(torch.uint8).numpy(), named.numpy()


def photographed(
    image: Bytes, labels: Bytes, rng: np.random.Generator, augmentation: Augmentation, fill: npt.NDArray[np.float32]
) -> tuple[Bytes, Bytes]:
    """Another camera, weather and compression for the image (C, S, S); a strip without data now and then, unknown in the label."""
    side = labels.shape[0]
    if augmentation.colour > 0:
        image = _coloured(image, rng, augmentation.colour)
    if rng.uniform() < augmentation.grey and len(image) >= 3:
        image = image.copy()
        image[:3] = image[:3].mean(0, dtype=np.float32).round().astype(np.uint8)
    if rng.uniform() < augmentation.blur:
        image = _blurred(image, float(rng.uniform(0.4, 1.2)))
    if rng.uniform() < augmentation.noise:
        shake = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 7))
        image = np.clip(image + shake, 0, 255).astype(np.uint8)
    if rng.uniform() < augmentation.jpeg and len(image) == 3:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(
            buffer, "JPEG", quality=int(rng.integers(45, 95))
        )
        image = np.asarray(Image.open(buffer)).transpose(2, 0, 1)
    if rng.uniform() < augmentation.nodata:
        edge, quarter = int(rng.integers(side // 16, side // 2)), int(rng.integers(4))
        image, labels = image.copy(), labels.copy()
        np.rot90(image, quarter, (1, 2))[:, :edge] = np.round(fill).astype(np.uint8)[:, None, None]
        np.rot90(labels, quarter)[:edge] = NODATA
    return np.ascontiguousarray(image), labels


def _coloured(image: Bytes, rng: np.random.Generator, strength: float) -> Bytes:
    """Gamma, gain, offset per band through a table of 256 values, then saturation and a slight mix of bands (hue)."""
    x = np.linspace(0, 1, 256, dtype=np.float32)
    gamma, gain = math.exp(rng.normal(0, 0.22 * strength)), math.exp(rng.normal(0, 0.15 * strength))
    contrast, offset = math.exp(rng.normal(0, 0.15 * strength)), rng.normal(0, 0.04 * strength)
    bands = []
    for band in image:
        own = math.exp(rng.normal(0, 0.06 * strength))
        curve = (x**gamma * gain * own - 0.4) * contrast + 0.4 + offset + rng.normal(0, 0.015 * strength)
        bands.append(np.clip(255 * curve, 0, 255).astype(np.float32)[band])
    out = np.stack(bands)
    if len(image) >= 3:
        grey = out[:3].mean(0, keepdims=True)
        keep = float(np.clip(1 + rng.normal(0, 0.3 * strength), 0, 2))
        out[:3] = grey + (out[:3] - grey) * np.float32(keep)
    return np.asarray(np.clip(out, 0, 255), np.uint8)


def _blurred(image: Bytes, sigma: float) -> Bytes:
    x = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum())[None, None]
    pixels = functional.pad(
        torch.from_numpy(np.ascontiguousarray(image))[:, None].float(), (3, 3, 3, 3), mode="replicate"
    )
    out = functional.conv2d(functional.conv2d(pixels, kernel[:, :, :, None]), kernel[:, :, None, :])
    return np.asarray(out[:, 0].round().clamp(0, 255).to(torch.uint8).numpy())

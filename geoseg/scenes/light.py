"""Albedo and height to an aerial photo: one sun, cast shadows, sky, one camera.

Works on any window of a scene that carries a halo of `halo()` pixels; the window without its halo then equals the crop
of the whole scene.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from geoseg.arrays import Floats
from geoseg.scenes import noise
from geoseg.scenes.canvas import Canvas
from geoseg.scenes.objects import Style

__all__ = ["halo", "photograph"]

TALLEST = 26.0  # metres: five storeys, a steep roof and a chimney


def halo(style: Style, gsd: float) -> int:
    """How many pixels around a pixel can change it: the longest shadow, or the reach of ambient occlusion."""
    shadow = TALLEST / math.tan(math.radians(style.sun_elevation))
    return math.ceil(max(shadow, 5.5) / gsd) + 8


def _blur(a: Floats, sigma: float) -> Floats:
    return np.asarray(ndimage.gaussian_filter(a, sigma, truncate=4.0), np.float32)


def _move(a: Floats, dx: float, dy: float) -> Floats:
    return np.asarray(ndimage.shift(a, (dy, dx), order=1, mode="constant", cval=-1e3), np.float32)


def _shadow(height: Floats, sun: npt.NDArray[np.float64], gsd: float) -> Floats:
    """Share of each pixel that lies in cast shadow, 0 to 1.

    `ceiling` is the height below which a pixel is dark, because of what stands 1 to `reach` pixels towards the sun.
    The reach doubles with each step, so ten shifts do the work of five hundred.
    """
    flat, slope = math.hypot(sun[0], sun[1]), sun[2] / math.hypot(sun[0], sun[1])
    ux, uy = -sun[0] / flat, -sun[1] / flat
    ceiling = _move(height, ux, uy) - np.float32(slope * gsd)
    reach = 1
    while reach * gsd * slope < TALLEST:
        ceiling = np.maximum(ceiling, _move(ceiling, reach * ux, reach * uy) - np.float32(reach * slope * gsd))
        reach *= 2
    return _blur(np.clip((ceiling - height) / np.float32(0.12 + 2 * gsd), 0, 1), 1.1)


def photograph(canvas: Canvas, seed: int, style: Style) -> npt.NDArray[np.uint8]:
    """Image of the canvas, uint8 (H, W, 4): red, green, blue, near infrared."""
    azimuth, elevation = math.radians(style.sun_azimuth), math.radians(style.sun_elevation)
    sun = np.array(
        [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    )
    height, gsd = canvas.height, canvas.gsd
    smooth = _blur(height, 0.7)
    gx, gy = (np.asarray(ndimage.sobel(smooth, axis), np.float32) / np.float32(8 * gsd) for axis in (1, 0))
    steep = np.minimum(1, 2.2 / (np.hypot(gx, gy) + 1e-6))  # walls are seen edge-on
    gx, gy = gx * steep, gy * steep
    lambert = np.clip((-gx * sun[0] - gy * sun[1] + sun[2]) / np.sqrt(1 + gx * gx + gy * gy), 0, None) / sun[2]
    direct = np.minimum(lambert, 1.8) * (1 - _shadow(height, sun, gsd))
    occlusion = 1 - 0.35 * np.clip((_blur(height, 1.2 / gsd) - height) / 3, 0, 1)
    sky = np.array([0.86, 0.97, 1.22, 0.7], np.float32) * style.sky
    beam = np.array([1.05, 1.0, 0.92, 1.1], np.float32) * (1 - style.sky)
    light = canvas.albedo * (sky * occlusion[..., None] + beam * direct[..., None]) * np.float32(style.exposure)
    return _camera(canvas, light.astype(np.float32), seed, style)


def _camera(canvas: Canvas, light: Floats, seed: int, style: Style) -> npt.NDArray[np.uint8]:
    """Optics, sensor noise, tone curve."""
    rgb = light[..., :3] * (1 + np.array(style.tint, np.float32))
    grey = rgb.mean(2, keepdims=True)
    image = np.dstack([grey + (rgb - grey) * np.float32(style.saturation), light[..., 3]])
    image = np.clip(image, 0, None)
    image = image / (1 + np.float32(0.25) * image)
    image = np.dstack([_blur(image[..., k], style.blur) for k in range(4)]) + np.float32(style.haze)
    image = np.clip(image, 0, 1) ** np.float32(style.gamma)
    for k in range(4):
        image[..., k] += np.float32(style.noise) * noise.grain(seed + 50 + k, canvas.window)
    image = np.clip((image - 0.5) * np.float32(style.contrast) + 0.5, 0, 1)
    return np.asarray(image * 255 + 0.5, np.uint8)

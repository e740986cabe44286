"""Textures as functions of absolute pixel position.

Lattice values come from an integer hash, so any window of a texture equals the crop of the whole and
every machine draws the same one. This module knows nothing of scenes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from geoseg.arrays import Floats

__all__ = ["fractal", "grain"]


_C1, _C2, _C3 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64 finaliser (Steele, Lea, Flood 2014): integers to well-mixed integers."""
    x = (x ^ (x >> np.uint64(30))) * _C2
    x = (x ^ (x >> np.uint64(27))) * _C3
    return x ^ (x >> np.uint64(31))


def _hash(seed: int, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        r = _mix(rows.astype(np.uint64) * _C1 + np.uint64(seed & 0xFFFFFFFFFFFF))
        return _mix(r[:, None] + cols.astype(np.uint64)[None, :] * _C1)


def grain(seed: int, window: Window) -> Floats:
    """White noise, zero mean, unit deviation, nearly normal: float32 (H, W) of the pixels of a window."""
    row, col = window.row_off, window.col_off
    bits = _hash(seed, np.arange(row, row + window.height), np.arange(col, col + window.width))
    total = np.zeros(bits.shape, np.float32)
    for shift in (0, 16, 32, 48):  # the sum of four uniforms is close to normal
        total += ((bits >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float32)
    return (total / np.float32(65536) - np.float32(2)) * np.float32(1.7320508)


def _octave(seed: int, window: Window, cell: float) -> Floats:
    """Value noise with cells of `cell` pixels, smoothly interpolated."""
    row, col = window.row_off, window.col_off
    ys, xs = (np.arange(row, row + window.height) + 0.5) / cell, (np.arange(col, col + window.width) + 0.5) / cell
    y0, x0 = np.floor(ys).astype(np.int64), np.floor(xs).astype(np.int64)
    lattice = grain(seed, Window(int(x0[0]), int(y0[0]), int(x0[-1] - x0[0]) + 2, int(y0[-1] - y0[0]) + 2))
    ty, tx = (ys - y0).astype(np.float32), (xs - x0).astype(np.float32)
    ty, tx = ty * ty * (3 - 2 * ty), tx * tx * (3 - 2 * tx)
    iy, ix = y0 - y0[0], x0 - x0[0]
    across = lattice[:, ix] * (1 - tx) + lattice[:, ix + 1] * tx
    return np.asarray(across[iy] * (1 - ty)[:, None] + across[iy + 1] * ty[:, None], np.float32)


def fractal(seed: int, window: Window, *, cell: float, octaves: int) -> Floats:
    """Fractal value noise of about unit deviation: float32 (H, W) of the pixels of a window.

    Args:
        seed: another texture for each.
        window: pixels from the scene's upper left corner; rows and columns may be negative.
        cell: size of the coarsest feature in pixels; each octave has cells half as large as the one before.
        octaves: how many are added, each 0.6 times as strong as the one before.
    """
    total, power, amplitude = np.zeros((window.height, window.width), np.float32), 0.0, 1.0
    for octave in range(octaves):
        total += np.float32(amplitude) * _octave(seed + 7919 * octave, window, max(1.0, cell))
        power += amplitude**2
        amplitude, cell = amplitude * 0.6, cell / 2
    return total * np.float32(1.6 / power**0.5)  # 1.6: interpolation lowers the deviation

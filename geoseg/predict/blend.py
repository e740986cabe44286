"""Blending on the CPU: cut patches, add weighted scores into a strip, arg-max and confidence of finished rows.

The strip holds the rows of one patch's weighted inside, as a ring, for the width of a panel: memory does not grow
with the height of the mosaic. All kernels compute each pixel by itself with plain IEEE arithmetic (no fused or
reordered sums, an exponential of our own), so a pixel's value does not depend on where in an array it lies.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from geoseg.arrays import Bytes, Floats
from geoseg.classes import NODATA

__all__ = ["Strip", "cut"]


@numba.njit(cache=True, nogil=True, fastmath=False)
def _cut(image, valid, top, col, mean, inverse, out):  # type: ignore[no-untyped-def]
    bands, rows, cols = out.shape
    for b in range(bands):
        m, s = mean[b], inverse[b]
        for y in range(rows):
            source, good, target = image[b, top + y, col : col + cols], valid[top + y, col : col + cols], out[b, y]
            for x in range(cols):  # slices, so that x needs no check for negative numbers and the loop is vectorised
                v = (np.float32(source[x]) - m) * s
                target[x] = v if good[x] else np.float32(0)


def cut(
    image: npt.NDArray[np.generic],
    valid: npt.NDArray[np.bool_],
    top: int,
    col: int,
    mean: Floats,
    inverse: Floats,
    out: Floats,
) -> None:
    """Fill `out` (C, P, P) with the patch at (top, col) of an image (C, R, W), standardised; the mean (0) where not valid."""
    _cut(image, valid, top, col, mean, inverse, out)


@numba.njit(cache=True, nogil=True, fastmath=False)
def _add(strip, first, col, scores, wy, wx, row0, col0):  # type: ignore[no-untyped-def]
    """Strip (K, R, W) += scores (K, h, w) wy wx; row y of the patch's inside lies at ring row (first + y) % R."""
    classes, ring, width = strip.shape
    high, wide = len(wy), len(wx)
    left, right = max(0, -col), min(wide, width - col)
    for k in range(classes):
        for y in range(high):
            w = wy[y]
            sums = strip[k, (first + y) % ring, col + left : col + right]
            new, taper = scores[k, row0 + y, col0 + left : col0 + right], wx[left:right]
            for x in range(right - left):
                sums[x] += new[x] * (w * taper[x])


@numba.njit(cache=True, nogil=True, fastmath=False, inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    """e**x of float32 x <= 0 to about 2e-7: 2**n by bits, the rest by a polynomial (Cephes expf)."""
    x = max(x, np.float32(-87))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    f = x - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * f + np.float32(1.3981999507e-3)
    p = p * f + np.float32(8.3334519073e-3)
    p = p * f + np.float32(4.1665795894e-2)
    p = p * f + np.float32(1.6666665459e-1)
    p = p * f + np.float32(5.0000001201e-1)
    p = p * f * f + f + np.float32(1)
    return p, np.int32(n)


@numba.njit(cache=True, nogil=True, fastmath=False)
def _finish(strip, first, rows, inverse_t, values, good, classes_out, confidence_out):  # type: ignore[no-untyped-def]
    """Arg-max (ties to the lower class) and softmax of the winner for `rows` ring rows, which are then zeroed."""
    classes, ring, width = strip.shape
    best, label, total = np.empty(width, np.float32), np.empty(width, np.uint8), np.empty(width, np.float32)
    part, power = np.empty(width, np.float32), np.empty(width, np.int32)
    bits = power.view(np.float32)
    for y in range(rows):
        r = (first + y) % ring
        for x in range(width):
            best[x], label[x], total[x] = strip[0, r, x], values[0], np.float32(0)
        for k in range(1, classes):
            v = values[k]
            row = strip[k, r]
            for x in range(width):
                s = row[x]
                higher = s > best[x]
                best[x] = s if higher else best[x]
                label[x] = v if higher else label[x]
        for k in range(classes):
            row = strip[k, r]
            for x in range(width):
                p, n = _exp((row[x] - best[x]) * inverse_t)
                part[x], power[x] = p, (n + 127) << 23
            for x in range(width):
                total[x] += part[x] * bits[x]
                row[x] = np.float32(0)
        valid, classes_row, confidence_row = good[y], classes_out[y], confidence_out[y]
        for x in range(width):
            percent = np.uint8(np.float32(100) / total[x] + np.float32(0.5))
            classes_row[x] = label[x] if valid[x] else NODATA
            confidence_row[x] = percent if valid[x] else NODATA


@numba.njit(cache=True, nogil=True, fastmath=False)
def _shares(strip, first, rows, inverse_t, out):  # type: ignore[no-untyped-def]
    """Softmax of `rows` ring rows in percent, (K, rows, W) uint8; the strip stays as it is."""
    classes, ring, width = strip.shape
    power = np.empty(1, np.int32)
    bits = power.view(np.float32)
    e = np.empty(classes, np.float32)
    for y in range(rows):
        r = (first + y) % ring
        for x in range(width):
            best = strip[0, r, x]
            for k in range(1, classes):
                best = max(best, strip[k, r, x])
            total = np.float32(0)
            for k in range(classes):
                p, n = _exp((strip[k, r, x] - best) * inverse_t)
                power[0] = (n + 127) << 23
                e[k] = p * bits[0]
                total += e[k]
            for k in range(classes):
                out[k, y, x] = np.uint8(np.float32(100) * e[k] / total + np.float32(0.5))


class Strip:
    """Weighted sums of scores (K, R, W), R = P - 2 margin rows, as a ring.

    Args:
        values: class value of each channel.
        weights: (P,) along one axis (`Lattice.weights`); zero in the margin.
        margin: pixels of weight zero at each end.
        width: columns of the panel.
        temperature: divides scores before the softmax of the confidence.
    """

    def __init__(self, values: tuple[int, ...], weights: Floats, margin: int, width: int, temperature: float) -> None:
        self.inner = len(weights) - 2 * margin
        self.margin, self.width = margin, width
        self.weights = np.ascontiguousarray(weights[margin : margin + self.inner])
        self.values = np.array(values, np.uint8)
        self.sums = np.zeros((len(values), self.inner, width), np.float32)
        self.inverse_t = np.float32(1 / temperature)
        self.first = 0
        self.reach = 0  # rows from `first` on that any patch was added to

    def add(self, scores: Floats, col: int) -> None:
        """Add scores (K, P, P) of the patch whose weighted inside starts at column `col` of the panel (may overhang)."""
        self.reach = self.inner
        _add(self.sums, self.first, col, scores, self.weights, self.weights, self.margin, self.margin)

    def shares(self, rows: int) -> Bytes:
        """Softmax of the first rows in percent, (K, rows, W); to be called before `finish`."""
        out = np.empty((len(self.values), rows, self.width), np.uint8)
        _shares(self.sums, self.first, rows, self.inverse_t, out)
        return out

    def finish(self, good: npt.NDArray[np.bool_]) -> tuple[Bytes, Bytes]:
        """Class values and confidence (rows, W) of the first rows, which no later patch reaches; moves the strip on by them.

        `good` (rows, W) tells which pixels are valid; the others become 255.
        """
        rows = len(good)
        self.reach -= rows
        if self.reach + rows <= 0:  # nothing there: no arithmetic for empty ground
            self.first = (self.first + rows) % self.inner
            return np.full((rows, self.width), NODATA, np.uint8), np.full((rows, self.width), NODATA, np.uint8)
        classes, confidence = (np.empty((rows, self.width), np.uint8) for _ in range(2))
        _finish(
            self.sums, self.first, rows, self.inverse_t, self.values, np.ascontiguousarray(good), classes, confidence
        )
        self.first = (self.first + rows) % self.inner
        return classes, confidence

"""Blending on the CPU: cut patches, add weighted scores to a strip, take arg-max and confidence of finished rows.

The strip is a ring of rows, those of one patch's weighted inside, as wide as a panel: memory does not grow with the
height of the mosaic. All kernels compute each pixel by itself with plain IEEE arithmetic (no fused or reordered sums,
our own exponential), so a pixel's value does not depend on its place in an array.
"""

from __future__ import annotations

import numpy as np

from geoseg.arrays import Bytes, Floats, Image, Valid
from geoseg.classes import NODATA
from geoseg.kernel import inline_kernel, kernel

__all__ = ["Strip", "cut"]

COLUMNS = 512
"""Columns that finishing takes at a time: seven rows of them fit the first cache."""
Scale = tuple[Floats, Floats]
"""Mean, and 1 / deviation, of each band."""


@kernel
def cut(image: Image, valid: Valid, corner: tuple[int, int], scale: Scale, out: Floats) -> None:
    """Fill `out` (C, P, P) with the standardised patch at a corner of an image (C, R, W); 0 where not valid."""
    bands, rows, cols = out.shape
    top, col = corner
    mean, inverse = scale
    for b in range(bands):
        m, s = mean[b], inverse[b]
        for y in range(rows):
            source, good, target = image[b, top + y, col : col + cols], valid[top + y, col : col + cols], out[b, y]
            for x in range(cols):  # slices, so that x needs no check for negative numbers and LLVM vectorises the loop
                v = (np.float32(source[x]) - m) * s
                target[x] = v if good[x] else np.float32(0)


@kernel
def _add(strip: Floats, first: int, col: int, scores: Floats, weights: Floats, margin: int) -> None:
    """Add the weighted inside of scores (K, P, P) to a strip (K, R, W), from column `col` on.

    `weights` (R,) are those of the inside along one axis. Its row y lies at ring row (first + y) % R.
    """
    classes, ring, width = strip.shape
    inner = len(weights)
    left, right = max(0, -col), min(inner, width - col)
    for k in range(classes):
        for y in range(inner):
            w = weights[y]
            sums = strip[k, (first + y) % ring, col + left : col + right]
            new, taper = scores[k, margin + y, margin + left : margin + right], weights[left:right]
            for x in range(right - left):
                sums[x] += new[x] * (w * taper[x])


@inline_kernel
def _exp(x: np.float32) -> tuple[np.float32, np.int32]:
    """(p, n) with e**x = p 2**n to about 2e-7, for float32 x <= 0; the polynomial is that of Cephes' expf."""
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


@kernel
def _finish(
    strip: Floats, first: int, inverse_t: np.float32, values: Bytes, good: Valid, out: tuple[Bytes, Bytes]
) -> None:
    """Arg-max (ties to the lower class) and softmax of the winner for as many ring rows as `good` has; then zero them.

    The first channels of the strip are those of the `values`. `out`: class and confidence (rows, W), 255 where not
    `good` (rows, W). Some columns at a time, so that what the loops hand on stays in the first cache.
    """
    classes_out, confidence_out = out
    classes, (ring, width) = len(values), strip.shape[1:]
    most = min(width, COLUMNS)
    best, label, total = np.empty(most, np.float32), np.empty(most, np.uint8), np.empty(most, np.float32)
    part, power = np.empty(most, np.float32), np.empty(most, np.int32)
    bits = power.view(np.float32)
    for y in range(len(good)):
        r = (first + y) % ring
        for left in range(0, width, most):
            cols = min(most, width - left)
            row = strip[0, r, left : left + cols]
            for x in range(cols):
                best[x], label[x], total[x] = row[x], values[0], np.float32(0)
            for k in range(1, classes):
                v = values[k]
                row = strip[k, r, left : left + cols]
                for x in range(cols):
                    s = row[x]
                    higher = s > best[x]
                    best[x] = s if higher else best[x]
                    label[x] = v if higher else label[x]
            for k in range(classes):
                row = strip[k, r, left : left + cols]
                for x in range(cols):
                    p, n = _exp((row[x] - best[x]) * inverse_t)
                    part[x], power[x] = p, (n + 127) << 23
                for x in range(cols):
                    total[x] += part[x] * bits[x]
                    row[x] = np.float32(0)
            valid = good[y, left : left + cols]
            classes_row, confidence_row = classes_out[y, left : left + cols], confidence_out[y, left : left + cols]
            for x in range(cols):
                percent = np.uint8(np.divide(np.float32(100), total[x]) + np.float32(0.5))
                classes_row[x] = label[x] if valid[x] else NODATA
                confidence_row[x] = percent if valid[x] else NODATA


@kernel
def _divide(strip: Floats, first: int, col: int, sums: Floats) -> None:
    """Divide as many ring rows as `sums` (rows, W) has by it, from a column on."""
    classes, ring, _ = strip.shape
    rows, cols = sums.shape
    for y in range(rows):
        r, divisor = (first + y) % ring, sums[y]
        for k in range(classes):
            row = strip[k, r, col : col + cols]
            for x in range(cols):  # dividing by 1 changes no bit
                row[x] = np.divide(row[x], divisor[x])


@kernel
def _percent(strip: Floats, first: int, good: Valid, channel: int, out: Bytes) -> None:
    """Sigmoid in percent of a channel that is no class, 255 where not `good` (rows, W); then zero it."""
    ring, width = strip.shape[1:]
    power = np.empty(1, np.int32)
    bits = power.view(np.float32)
    for y in range(len(good)):
        row, target, valid = strip[channel, (first + y) % ring], out[y], good[y]
        for x in range(width):
            p, n = _exp(-abs(row[x]))
            power[0] = (n + 127) << 23
            e = p * bits[0]  # of the smaller side: e**-|s|
            share = e / (np.float32(1) + e)
            share = share if row[x] < 0 else np.float32(1) - share
            target[x] = np.uint8(np.float32(100) * share + np.float32(0.5)) if valid[x] else NODATA
            row[x] = np.float32(0)


@kernel
def _shares(strip: Floats, first: int, rows: int, inverse_t: np.float32, out: Bytes) -> None:
    """Softmax of `rows` ring rows in percent, into `out` (K, rows, W); the strip stays as it is."""
    classes, (ring, width) = len(out), strip.shape[1:]
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
    """Weighted sums of scores (K + A, R, W), R = P - 2 margin rows, as a ring.

    Args:
        values: class value of each channel.
        weights: (P,) along one axis (`weights.blend_weights`); zero in the margin.
        margin: pixels of weight zero at each end.
        width: columns of the panel.
        temperature: divisor of the scores before the softmax.
        aux: A, scores beside the classes, which come last.
    """

    def __init__(
        self, values: tuple[int, ...], weights: Floats, margin: int, width: int, temperature: float, aux: int = 0
    ) -> None:
        self.inner = len(weights) - 2 * margin
        self.margin, self.width = margin, width
        self.weights = np.ascontiguousarray(weights[margin : margin + self.inner])
        self.values = np.array(values, np.uint8)
        self.sums = np.zeros((len(values) + aux, self.inner, width), np.float32)
        self.aux = aux
        self.inverse_t = np.float32(1 / temperature)
        self.first = 0
        self.reach = 0  # rows from `first` on that scores were added to

    def add(self, scores: Floats, col: int) -> None:
        """Add scores (K + A, P, P) of a patch whose weighted inside starts at column `col` (may overhang)."""
        self.reach = self.inner
        _add(self.sums, self.first, col, scores, self.weights, self.margin)

    def divide(self, sums: Floats, col: int) -> None:
        """Divide the first rows from a column on by the sums (rows, W) of the weights that were added there."""
        _divide(self.sums, self.first, col, sums)

    def shares(self, rows: int) -> Bytes:
        """Softmax of the first rows in percent, uint8 (K, rows, W); to be called before `finish`."""
        out = np.empty((len(self.values), rows, self.width), np.uint8)
        _shares(self.sums, self.first, rows, self.inverse_t, out)
        return out

    def beside(self, good: Valid) -> Bytes:
        """Scores beside the classes of the first rows, uint8 (A, rows, W) in percent, 255 where not good.

        To be called before `finish`.
        """
        out = np.full((self.aux, *good.shape), NODATA, np.uint8)
        if self.reach > 0:
            for a, target in enumerate(out):
                _percent(self.sums, self.first, np.ascontiguousarray(good), len(self.values) + a, target)
        return out

    def finish(self, good: Valid) -> tuple[Bytes, Bytes]:
        """Class values and confidence (rows, W) of the first rows, which no later patch reaches; then move on by them.

        `good` (rows, W): the valid pixels; the others become 255.
        """
        rows = len(good)
        self.reach -= rows
        if self.reach + rows <= 0:  # nothing there: no arithmetic for empty ground
            self.first = (self.first + rows) % self.inner
            return np.full((rows, self.width), NODATA, np.uint8), np.full((rows, self.width), NODATA, np.uint8)
        out = np.empty((rows, self.width), np.uint8), np.empty((rows, self.width), np.uint8)
        _finish(self.sums, self.first, self.inverse_t, self.values, np.ascontiguousarray(good), out)
        self.first = (self.first + rows) % self.inner
        return out

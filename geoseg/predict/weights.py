"""The weights that blend patches, and their sums where patches were left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from geoseg.arrays import Floats, Valid
from geoseg.geometry.lattice import Lattice

__all__ = ["KeptWeights", "blend_weights"]


def blend_weights(lattice: Lattice) -> Floats:
    """Weights (P,) along one axis: 0 in the margin, cosine tapers, 1 between; all those at a pixel add up to 1.

    A patch's weights are the outer product of two of these.
    """
    patch, margin = lattice.patch, lattice.margin
    inner = patch - 2 * margin
    taper = min(lattice.overlap - 2 * margin, inner // 2)
    ramp = np.sin(0.5 * np.pi * (np.arange(taper) + 0.5) / max(1, taper)) ** 2
    raw = np.zeros(patch)
    raw[margin : patch - margin] = 1
    raw[margin : margin + taper] = ramp
    raw[patch - margin - taper : patch - margin] = ramp[::-1]
    total = np.zeros(lattice.stride)
    for start in range(0, patch, lattice.stride):
        part = raw[start : start + lattice.stride]
        total[: len(part)] += part
    return (raw / np.resize(total, patch)).astype(np.float32)


@dataclass(frozen=True)
class KeptWeights:
    """The sums of the weights of those patches of a panel that are kept (`geometry.footprint`).

    `kept` (len(rows), len(cols)) says which. `left` and `width` are the panel's columns on the grid.
    """

    lattice: Lattice
    kept: Valid
    rows: range
    cols: range
    left: int
    width: int

    @cached_property
    def _inside(self) -> Floats:
        """The positive weights along one axis."""
        return blend_weights(self.lattice)[self.lattice.margin : self.lattice.patch - self.lattice.margin]

    def sums(self, row: int) -> list[tuple[int, Floats]]:
        """Sums for the first stride of rows of a patch row: column and values (stride, W) of each run with a gap.

        1 where no patch was left out; runs of columns in which none was are not there. Added up in the order of the
        lattice, columns first, so that a pixel's sum does not depend on the panel.
        """
        stride, inside = self.lattice.stride, self._inside
        reaching = range(max(self.rows.start, row - (len(inside) - 1) // stride), row + 1)
        if self.kept[reaching.start - self.rows.start : reaching.stop - self.rows.start].all():
            return []
        lines = [(*self._across(k), inside[(row - k) * stride :][:stride]) for k in reaching]
        any_gap = np.logical_or.reduce([gap for _, gap, _ in lines])
        edges = np.flatnonzero(np.diff(np.concatenate([[False], any_gap, [False]])))
        found = []
        for left, right in edges.reshape(-1, 2).tolist():
            sums, gaps = np.zeros((stride, right - left), np.float32), np.zeros((stride, right - left), bool)
            for across, gap, down in lines:
                sums[: len(down)] += down[:, None] * across[left:right]
                gaps[: len(down)] |= gap[left:right]
            sums[~gaps | (sums == 0)] = 1
            found.append((left, sums))
        return found

    def _across(self, k: int) -> tuple[Floats, Valid]:
        """Sums (width,) of the kept weights along a patch row, and where one of its patches was left out."""
        across, gap = np.zeros(self.width, np.float32), np.zeros(self.width, bool)
        for j, kept in zip(self.cols, self.kept[k - self.rows.start], strict=True):
            start = j * self.lattice.stride - self.left
            part = slice(max(0, start), max(0, start + len(self._inside)))
            if kept:
                across[part] += self._inside[max(0, -start) :][: len(across[part])]
            else:
                gap[part] = True
        return across, gap

"""Outlines of regions as flat arrays (`Rings`) and as polygons (`Regions`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely

from geoseg.arrays import Bytes, Ints, Labels, Mask, Shapes, Values

__all__ = ["Regions", "Rings"]


@dataclass(frozen=True)
class Rings:
    """Outlines of regions as arrays, regions in raster order of their first pixel.

    Ring k has the corners `xy[rings[k]:rings[k + 1]]` (x = column, y = row; closed, clockwise on a screen around its
    region); region i has the rings `parts[i]` to `parts[i + 1]`, the outer one first.

    Attributes:
        xy: pixel corners (P, 2).
        rings: where each ring begins in `xy`, and the end (R + 1,).
        parts: where each region begins in `rings`, and the end (N + 1,).
        values: class value, or code, of each region (N,).
        first: first pixel (N, 2) of each region: row, column.
        pixels: size (N,) of each region.
        weight: sum (N,) of the weights of its pixels.
        touches: whether (N,) it lies at the raster's frame or at a skipped value.
        borders: number of the region at each pixel of the raster's first row, last row, first column and last column;
            -1 where the region was left out.
    """

    xy: Labels
    rings: Ints
    parts: Ints
    values: Values
    first: Ints
    pixels: Ints
    weight: Ints
    touches: Mask
    borders: tuple[Ints, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def chosen(self, numbers: Ints, values: Bytes | None = None) -> Rings:
        """Some of the regions, without `borders`.

        Args:
            numbers: which regions, ascending.
            values: new class values of all regions; none: they keep theirs.
        """
        values = self.values if values is None else values
        if len(numbers) == len(self):
            return replace(self, values=values, borders=())
        rings, parts = self._rings_of(numbers)
        lengths = np.diff(self.rings)[rings]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return Rings(
            self.xy[np.repeat(self.rings[rings] - offsets[:-1], lengths) + np.arange(offsets[-1])],
            offsets,
            parts,
            values[numbers],
            self.first[numbers],
            self.pixels[numbers],
            self.weight[numbers],
            self.touches[numbers],
        )

    def _rings_of(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Rings of some regions, and where each region's begin among them."""
        sizes = self.parts[numbers + 1] - self.parts[numbers]
        parts = np.concatenate([[0], np.cumsum(sizes)])
        return np.repeat(self.parts[numbers] - parts[:-1], sizes) + np.arange(parts[-1]), parts

    def boxes(self) -> Ints:
        """Least and greatest x and y of each region (N, 4): left, top, right, bottom."""
        outer = self.parts[:-1]
        if not len(outer):
            return np.zeros((0, 4), np.int64)
        starts = self.rings[:-1]
        low, high = np.minimum.reduceat(self.xy, starts)[outer], np.maximum.reduceat(self.xy, starts)[outer]
        return np.concatenate([low, high], 1).astype(np.int64)

    def polygons(self, numbers: Ints | None = None) -> Shapes:
        """Shapely polygons of all regions, or of some, in pixel corners."""
        some = self if numbers is None else self.chosen(np.asarray(numbers, np.int64))
        kind = shapely.GeometryType.POLYGON
        return np.asarray(shapely.from_ragged_array(kind, some.xy.astype(float), (some.rings, some.parts)))


@dataclass(frozen=True)
class Regions:
    """Regions of one raster, in raster order of their first pixel.

    `polygons` are shapely polygons in pixel corners (x = column, y = row); all else is as in `Rings`.
    """

    polygons: Shapes
    values: Values
    first: Ints
    pixels: Ints
    weight: Ints
    borders: tuple[Ints, ...] = ()

    def __len__(self) -> int:
        return len(self.polygons)

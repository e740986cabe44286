"""The door to procedural scenes: a `Scene` renders any window of itself.

A window equals the crop of the whole (image, labels and height), so scenes of any size cost the memory of one window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine

from geoseg.scenes.layout import Layout, make_layout
from geoseg.scenes.light import halo, photograph
from geoseg.scenes.objects import Style
from geoseg.scenes.outlines import LOW_VEGETATION, layers
from geoseg.scenes.paint import Canvas, paint

__all__ = ["Scene", "Tile"]


@dataclass(frozen=True)
class Tile:
    """One rendered window: image uint8 (H, W, 4) R G B NIR, labels uint8 (H, W), height float32 (H, W) metres."""

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    height: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A seeded scene of width x height metres at a pixel size of `gsd` metres."""

    seed: int
    width: float
    height: float
    gsd: float
    style: Style | None = None

    @cached_property
    def layout(self) -> Layout:
        """All objects, in metres; independent of the pixel size."""
        return make_layout(self.seed, self.width, self.height, self.style)

    @cached_property
    def stack(self) -> list[tuple[int, object | None, shapely.Geometry]]:
        """(class, object, outline) in painter's order, in metres."""
        return layers(self.layout)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the whole scene."""
        return round(self.height / self.gsd), round(self.width / self.gsd)

    def labels(self, row: int, col: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Class values (ISPRS order) of a window: the topmost outline that holds the pixel's centre."""
        to_ground = Affine(self.gsd, 0, col * self.gsd, 0, self.gsd, row * self.gsd)
        frame = shapely.box(col * self.gsd, row * self.gsd, (col + width) * self.gsd, (row + height) * self.gsd)
        shapes = [(s, value) for value, _, s in self.stack if s.intersects(frame)]
        if not shapes:
            return np.full((height, width), LOW_VEGETATION, np.uint8)
        burnt = rasterize(shapes, out_shape=(height, width), transform=to_ground, fill=LOW_VEGETATION, dtype="uint8")
        return np.asarray(burnt, np.uint8)

    def tile(self, row: int, col: int, height: int, width: int) -> Tile:
        """Image, labels and height of a window."""
        around = halo(self.layout.style, self.gsd)
        canvas = Canvas.empty(self.seed, self.gsd, row - around, col - around, height + 2 * around, width + 2 * around)
        paint(canvas, self.seed, self.layout, self.stack)
        inner = (slice(around, around + height), slice(around, around + width))
        image = photograph(canvas, self.seed, self.layout.style)[inner]
        return Tile(np.ascontiguousarray(image), self.labels(row, col, height, width), canvas.height[inner].copy())

    def truth(self) -> list[tuple[int, object | None, shapely.Geometry]]:
        """Visible outlines (class, object, polygon in metres) that tile the scene: what lies above is cut out."""
        frame = shapely.box(0, 0, self.width, self.height)
        stack = [(v, o, s) for v, o, s in self.stack if s.intersects(frame)]
        shapes = np.array([s for _, _, s in stack], object)
        tree = shapely.STRtree(shapes)
        visible: list[tuple[int, object | None, shapely.Geometry]] = []
        for i, (value, thing, shape) in enumerate(stack):
            above = [j for j in tree.query(shape, predicate="intersects") if j > i]
            seen = shapely.intersection(shape, frame)
            if above:
                seen = shapely.difference(seen, shapely.union_all(shapes[above]))
            if not seen.is_empty and seen.area > 0:
                visible.append((value, thing, seen))
        lawn = shapely.difference(frame, shapely.union_all(shapes)) if len(shapes) else frame
        return [(LOW_VEGETATION, None, lawn), *visible]

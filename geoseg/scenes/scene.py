"""The door to procedural scenes: a `Scene` renders any window of itself.

Image, labels and height of a window equal the crop of the whole scene, so a scene of any size costs the memory of one
window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.scenes.canvas import Canvas
from geoseg.scenes.layout import make_layout
from geoseg.scenes.light import halo, photograph
from geoseg.scenes.objects import Layout, Style
from geoseg.scenes.outlines import LOW_VEGETATION, Stack, layers
from geoseg.scenes.paint import paint

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
        """All objects, in metres; they do not depend on the pixel size."""
        return make_layout(self.seed, self.width, self.height, self.style)

    @cached_property
    def stack(self) -> Stack:
        """(class, object, outline in metres) in painter's order."""
        return layers(self.layout)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the whole scene."""
        return round(self.height / self.gsd), round(self.width / self.gsd)

    def labels(self, row: int, col: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Class values uint8 (H, W) of a window, in ISPRS order: the topmost outline around a pixel decides."""
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
        wide = Window(col - around, row - around, width + 2 * around, height + 2 * around)
        canvas = Canvas.empty(self.seed, self.gsd, wide)
        paint(canvas, self.seed, self.layout, self.stack)
        inner = (slice(around, around + height), slice(around, around + width))
        image = photograph(canvas, self.seed, self.layout.style)[inner]
        return Tile(np.ascontiguousarray(image), self.labels(row, col, height, width), canvas.height[inner].copy())

    def truth(self) -> Stack:
        """The visible parts of all outlines: (class, object, polygon in metres), without gap or overlap."""
        frame = shapely.box(0, 0, self.width, self.height)
        stack = [(v, o, s) for v, o, s in self.stack if s.intersects(frame)]
        shapes = np.array([s for _, _, s in stack], object)
        tree = shapely.STRtree(shapes)
        visible: Stack = []
        for i, (value, thing, shape) in enumerate(stack):
            above = [j for j in tree.query(shape, predicate="intersects") if j > i]
            seen = shapely.intersection(shape, frame)
            if above:
                seen = shapely.difference(seen, shapely.union_all(shapes[above]))
            if not seen.is_empty and seen.area > 0:
                visible.append((value, thing, seen))
        lawn = shapely.difference(frame, shapely.union_all(shapes)) if len(shapes) else frame
        return [(LOW_VEGETATION, None, lawn), *visible]

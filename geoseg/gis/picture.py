"""Parts of a picture to look at: coloured classes, outlines, images side by side; PNG files."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.features import rasterize
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from geoseg.arrays import Bytes, Shapes
from geoseg.classes import NODATA, ClassTable
from geoseg.commit import commit_bytes

__all__ = ["coloured", "side_by_side", "with_outlines", "write_png"]


def coloured(classes: Bytes, table: ClassTable) -> Bytes:
    """Class values (H, W) as RGB (H, W, 3); light grey where there is no data."""
    palette = np.full((256, 3), 225, np.uint8)
    for c in table.classes:
        palette[c.value] = c.drawn
    palette[NODATA] = 225
    return palette[classes]


def with_outlines(image: Bytes, layers: list[tuple[Shapes, tuple[int, ...]]], transform: Affine) -> Bytes:
    """The image with polygons drawn on it, each layer in its colour: a faint fill, a full outline.

    Args:
        image: RGB (H, W, 3).
        layers: shapes (N,) and colour of each.
        transform: from pixels of the image to the coordinates of the shapes.
    """
    out = image.astype(np.float32)
    for shapes, colour in layers:
        if not len(shapes):
            continue
        size = image.shape[:2]
        inside = rasterize(list(shapes), out_shape=size, transform=transform) > 0
        edge = rasterize(list(shapely.boundary(shapes)), out_shape=size, transform=transform, all_touched=True) > 0
        out[inside] = out[inside] * 0.65 + np.array(colour, np.float32) * 0.35
        out[edge] = colour
    return np.asarray(out, np.uint8)


def side_by_side(images: list[Bytes], gap: int = 8) -> Bytes:
    """Images (H, W, 3) of one height next to each other, with a white gap of so many pixels."""
    white = np.full((images[0].shape[0], gap, 3), 255, np.uint8)
    parts = [p for image in images for p in (image, white)][:-1]
    return np.concatenate(parts, axis=1)


def write_png(path: Path, image: Bytes) -> None:
    """Commit an RGB image (H, W, 3)."""
    high, wide = image.shape[:2]
    with MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture has no place on Earth
        with memory.open(driver="PNG", count=3, height=high, width=wide, dtype="uint8") as dataset:
            dataset.write(np.moveaxis(image, 2, 0))
        commit_bytes(path, bytes(memory.getbuffer()))

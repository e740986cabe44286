"""Pixels of a run in Web Mercator: photo, classes, confidence and land cover of any box."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio.raw
import rasterio
import shapely
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.warp import reproject
from rasterio.windows import Window

from geoseg.arrays import Bytes, Shapes, Valid
from geoseg.classes import NODATA
from geoseg.geometry.grid import grown, overlap
from geoseg.gis.run_picture import eight_bit
from geoseg.gis.web_map.mercator import MERCATOR, Bounds, Placement
from geoseg.gis.web_map.pyramid import Pictures
from geoseg.runfolder.blocks import BlockReader
from geoseg.sheets.photo import Photo

__all__ = ["RunPixels", "warped_photo", "warped_values"]

SPARE = 3
"""Pixels around a box that are read with it, for what lies between two pixels."""


@dataclass(frozen=True)
class RunPixels:
    """Where the pictures of a run come from: a photo and a GeoPackage only where there are some.

    `values` are those of the class table: what people drew with another one is in no picture.
    """

    placement: Placement
    extent: Window
    reader: BlockReader
    values: tuple[int, ...]
    photo: Photo | None
    package: Path | None

    def window(self, box: Bounds) -> Window | None:
        """The window of the grid that shows a box of Web Mercator, with a little more; None where it meets none."""
        part = self.placement.part(box)
        if part is None:
            return None
        return overlap(grown(self.placement.grid.covering(*self.placement.source(part)), SPARE), self.extent)

    def empty(self, box: Bounds) -> bool:
        """Whether nothing lies in a box."""
        window = self.window(box)
        return window is None or self.reader.empty(window) or not self.reader.plan.meeting(window)

    def pictures(self, box: Bounds, side: int) -> Pictures:
        """All pictures of a box, `side` pixels wide and high.

        Raises:
            SheetError: the photo cannot be read.
            PlanError: a block cannot.
        """
        window = self.window(box)
        if window is None or self.empty(box):
            return {}
        scale = (box[2] - box[0]) / side
        source, target = self.placement.transform(window), Affine(scale, 0, box[0], 0, -scale, box[3])
        values = np.stack(self.reader.read(window))
        crs = self.placement.crs
        classes, confidence = warped_values(values, (source, crs), target, side)
        pictures = {"classes": classes, "confidence": confidence}
        if self.package is not None:
            pictures["landcover"] = self._landcover(self.package, box, target, side)
        if self.photo is not None:
            pixels, valid = self.photo.read(window)
            rgb = eight_bit(pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, 0))
            pictures["photo"] = warped_photo(rgb, valid, (source, crs), target, side)
        return pictures

    def _landcover(self, package: Path, box: Bounds, target: Affine, side: int) -> Bytes:
        """Class values of the land cover's polygons (side, side)."""
        near = self.placement.source(self.placement.part(box) or box)
        _, _, blobs, (values,) = pyogrio.raw.read(package, layer="landcover", columns=["class_id"], bbox=near)
        shapes: Shapes = shapely.from_wkb(blobs)
        known = np.isin(values, self.values) & ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
        if not known.any():
            return np.full((side, side), NODATA, np.uint8)
        moved = shapely.transform(shapes[known], self.placement.xy)
        pairs = [(shape, int(value)) for shape, value in zip(moved, values[known], strict=True)]
        return np.asarray(rasterize(pairs, (side, side), fill=NODATA, transform=target, dtype="uint8"), np.uint8)


def warped_values(pixels: Bytes, place: tuple[Affine, str], target: Affine, side: int) -> Bytes:
    """Values (C, H, W) in Web Mercator (C, side, side): those of the nearest pixels, 255 where there are none.

    Args:
        pixels: what is warped.
        place: pixel to x, y, and the CRS of these.
        target: pixel to x, y of Web Mercator.
        side: pixels along the result.
    """
    out = np.full((len(pixels), side, side), NODATA, np.uint8)
    _warp(pixels, out, place, target, Resampling.nearest, nodata=NODATA)
    return out


def warped_photo(rgb: Bytes, valid: Valid, place: tuple[Affine, str], target: Affine, side: int) -> Bytes:
    """A photo (3, H, W) in Web Mercator, with opacity (side, side, 4): bilinear, of valid pixels alone.

    The arguments are those of `warped_values`, and which pixels are valid (H, W).
    """
    layers = np.concatenate([np.where(valid, rgb, 0), np.where(valid, 255, 0)[None]]).astype(np.uint8)
    out = np.zeros((4, side, side), np.uint8)
    _warp(layers, out, place, target, Resampling.bilinear, nodata=None)
    part = out[3].astype(np.uint16)
    if not valid.all():
        mixed = (part > 0) & (part < 255)
        weight = part[mixed]
        out[:3, mixed] = np.minimum(255, (out[:3, mixed].astype(np.uint16) * 255 + weight // 2) // weight)
    out[3] = np.where(part >= 128, 255, 0)
    out[:3, part < 128] = 0
    return np.ascontiguousarray(np.moveaxis(out, 0, 2))


def _warp(
    pixels: Bytes, out: Bytes, place: tuple[Affine, str], target: Affine, how: Resampling, nodata: int | None
) -> None:
    with rasterio.Env(GDAL_NUM_THREADS="1"):
        reproject(
            pixels, out, src_transform=place[0], src_crs=place[1], dst_transform=target, dst_crs=MERCATOR,
            resampling=how, src_nodata=nodata, dst_nodata=nodata, init_dest_nodata=True,
        )  # fmt: skip

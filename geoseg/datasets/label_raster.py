"""Label rasters: opened through the doors, decoded, and laid on the pixels of a photo by their place on Earth.

    window of the photo -> label pixel under the centre of each of its pixels -> codes of those pixels

Nothing is ever blended. Where either side has no place on Earth, they lie on each other pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Bytes, Image, Ints, Valid
from geoseg.classes import NODATA
from geoseg.datasets.lay import Ground, meets, pixels_below
from geoseg.datasets.legend import Legend, decode
from geoseg.errors import SheetError
from geoseg.plan import transform_of
from geoseg.sheets.door import mask_path, read_header, stat_key
from geoseg.sheets.images import SUFFIXES, picture_bands, picture_size, read_picture
from geoseg.sheets.raster import raster_window

__all__ = ["LabelRaster", "check_labels", "label_pixels", "open_labels", "read_codes"]


ROWS = 256
"""Rows of the photo that are laid at a time: memory by width."""


@dataclass(frozen=True)
class LabelRaster:
    """A label raster, opened once: `bands` without alpha, its place, and whether it has a mask in a file of its own."""

    path: str
    bands: int
    ground: Ground
    own_mask: bool = False

    @property
    def picture(self) -> bool:
        """Whether it is a PNG or JPEG, which is decoded as a whole."""
        return Path(self.path).suffix.lower() in SUFFIXES

    def laid_as(self, ground: Ground) -> LabelRaster:
        """The same; where it has no place of its own, with that of its photo."""
        return self if self.ground.transform else replace(self, ground=replace(ground, shape=self.ground.shape))


def open_labels(path: Path) -> LabelRaster:
    """Look at a label raster.

    Raises:
        SheetError: it cannot be opened.
    """
    return _open(str(path), stat_key(path))


@lru_cache(maxsize=4096)
def _open(path: str, stat: tuple[int, int]) -> LabelRaster:
    if Path(path).suffix.lower() in SUFFIXES:
        count = picture_bands(Path(path))
        return LabelRaster(path, count - (count in (2, 4)), Ground(picture_size(Path(path))))
    header = read_header(Path(path), codes=True)
    place = tuple(transform_of(header)[:6]) if header.georeferenced else ()
    ground = Ground((header.height, header.width), header.crs if place else "", place)
    return LabelRaster(path, header.bands - ("alpha" in header.meanings), ground, header.mask == "external")


@lru_cache(maxsize=24)
def _picture(path: str, stat: tuple[int, int], mode: str) -> Image:
    return read_picture(Path(path), mode)


def check_labels(labels: LabelRaster, photo: Ground, name: str) -> None:
    """Refuse labels that do not lie where their photo `name` lies.

    Raises:
        SheetError: they do not meet; or one of them has no place on Earth, and their sizes differ.
    """
    if not labels.ground.transform or not photo.transform:
        if labels.ground.shape != photo.shape:
            found, expected = labels.ground.shape, photo.shape
            which = "either" if not labels.ground.transform and not photo.transform else "one"
            raise SheetError(
                labels.path,
                f"is {found[1]} x {found[0]} px, {name} is {expected[1]} x {expected[0]}, and {which} has no place",
                "without georeference they must match pixel by pixel; georeference both, or cut the labels",
            )
        return
    if not meets(labels.ground, photo):
        raise SheetError(
            labels.path,
            f"lies at {labels.ground.box()}, {name} at {photo.box()}: they do not meet",
            "name the labels of this photo, or correct the georeference of one of them",
        )


def read_codes(labels: LabelRaster, legend: Legend, photo: Ground, window: Window) -> Bytes:
    """Label codes uint8 (H, W) of a window of a photo; 255 where the labels do not reach, or say nothing.

    Raises:
        SheetError: the file is damaged, or holds a label that the legend does not know.
    """
    if not labels.ground.transform or not photo.transform:
        return _decoded(labels, legend, window)
    out = np.full((int(window.height), int(window.width)), NODATA, np.uint8)
    for top in range(0, len(out), ROWS):
        part = Window(window.col_off, window.row_off + top, window.width, min(ROWS, len(out) - top))
        rows, columns = pixels_below(labels.ground, photo, part)
        out[top : top + ROWS] = _gather(labels, legend, rows, columns)
    return out


def _gather(labels: LabelRaster, legend: Legend, rows: Ints, columns: Ints) -> Bytes:
    """Codes of label pixels: one read of the window that holds them all."""
    some_rows, some_columns = rows[rows >= 0], columns[columns >= 0]
    shape = np.broadcast_shapes(rows.shape, columns.shape)
    if not len(some_rows) or not len(some_columns):
        return np.full(shape, NODATA, np.uint8)
    top, left = int(some_rows.min()), int(some_columns.min())
    high, wide = int(some_rows.max()) + 1 - top, int(some_columns.max()) + 1 - left
    codes = _decoded(labels, legend, Window(left, top, wide, high))
    r, c = np.where(rows < 0, 0, rows - top), np.where(columns < 0, 0, columns - left)
    found = codes[r[:, 0]][:, c[0]] if rows.shape[1:] == (1,) and len(columns) == 1 else codes[r, c]
    return np.where((rows >= 0) & (columns >= 0), found, np.uint8(NODATA))


def _decoded(labels: LabelRaster, legend: Legend, window: Window) -> Bytes:
    """Codes of a window of the labels' own pixels."""
    pixels, known = label_pixels(labels, window, colours=legend.kind != "values")
    return decode(pixels, legend, labels.path, known)


def label_pixels(labels: LabelRaster, window: Window, *, colours: bool) -> tuple[Image, Valid]:
    """Pixels (1 or 3, H, W) of a window of a label raster, and where they say anything (H, W).

    They say nothing where the file declares no data, where alpha is 0, and where a mask is.

    Raises:
        SheetError: the file is damaged, or has colours where values are expected, or the reverse.
    """
    path = Path(labels.path)
    if not colours and labels.bands > 1:
        what = f"has {labels.bands} bands, expected one band of class values"
        raise SheetError(path, what, "say how its colours are coded: legend auto, isprs or colours")
    if labels.picture:
        return _picture_pixels(labels, window, colours)
    if colours and labels.bands < 3:
        what = f"has {labels.bands} bands, expected the colours of a legend in 3"
        raise SheetError(path, what, "check the legend")
    pixels, known = raster_window(labels.path, (1, 2, 3) if colours else (1,), window)
    if labels.own_mask:
        known = known & (raster_window(str(mask_path(path)), (1,), window)[0][0] > 0)
    return pixels, known


def _picture_pixels(labels: LabelRaster, window: Window, colours: bool) -> tuple[Image, Valid]:
    stat = stat_key(Path(labels.path))
    rows, cols = _slices(window)
    pixels = _picture(labels.path, stat, "as is")
    known = pixels[-1, rows, cols] > 0 if len(pixels) in (2, 4) else np.ones(pixels[0, rows, cols].shape, bool)
    shown = _picture(labels.path, stat, "RGB") if colours else pixels[:1]
    return shown[:, rows, cols], known


def _slices(window: Window) -> tuple[slice, slice]:
    top, left = int(window.row_off), int(window.col_off)
    return slice(top, top + int(window.height)), slice(left, left + int(window.width))

"""Items: a part of one labelled image that may be read for one purpose, and how its windows are read.

Items are small frozen values that travel to loader processes; each process has its own open files and decoded pictures.
Pixels and labels outside an item's region are never read, so ground of another split cannot leak into a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Bytes, Image, Valid, full_scale
from geoseg.classes import NODATA, UNLABELLED
from geoseg.datasets.label_raster import open_labels, read_codes
from geoseg.datasets.lay import Ground
from geoseg.datasets.legend import Legend
from geoseg.datasets.scene_cache import DrawnScene, scene_contact, scene_pixels
from geoseg.datasets.shapes import Codes, PolygonFile, burn_boxes, burn_polygons, contact_of_file
from geoseg.errors import SheetError
from geoseg.geometry.grid import overlap, slices
from geoseg.sheets.images import picture_size, read_picture
from geoseg.sheets.nodata import valid_by_value
from geoseg.sheets.raster import raster_window

__all__ = ["Box", "ImageFile", "Item", "LabelFile", "image_reader", "read_aux", "read_item", "read_labels"]

Box = tuple[int, int, int, int]
"""A region of an image in pixels: row, column, height, width."""


@dataclass(frozen=True)
class ImageFile:
    """The source of an item's pixels: `kind` is "sheet" (GeoTIFF, read by windows), "picture" (PNG, JPEG) or "scene".

    `shape` is (rows, columns); `bands` count from 1; `gsd` is in metres on the ground. `crs` (WKT) and `transform` are
    empty where the image has no place on Earth; `bare_transform` is that of a file without a CRS. `nodata` holds
    (value, tolerance) pairs. `dtype` is the network's; `value_range` holds the values that become its darkest and
    brightest. `resized`: a picture that is brought to `shape` as a whole, with its labels.
    """

    kind: str
    path: str
    shape: tuple[int, int]
    bands: tuple[int, ...]
    gsd: float
    crs: str = ""
    transform: tuple[float, ...] = ()
    nodata: tuple[tuple[float, float], ...] = ()
    value_range: tuple[float, float] | None = None
    scene: DrawnScene | None = None
    bare_transform: tuple[float, ...] = ()
    dtype: str = "uint8"
    resized: bool = False

    @property
    def ground(self) -> Ground:
        """Where its pixels lie."""
        return Ground(self.shape, self.crs, self.transform or self.bare_transform)


@dataclass(frozen=True)
class LabelFile:
    """The source of an item's labels: `kind` is "raster", "polygons", "boxes", "scene", or "none".

    `legend` decodes rasters, which are laid on the image by their place; `eroded` is the radius (pixels) around class
    borders that is left out. `codes` maps the values of `column` (polygons) or the class numbers (boxes) to label
    codes; "*" stands for any. `rest` is the code of all that no shape covers. `buildings`: the code of polygons that
    are outlines of single buildings; 255 where there are none.
    """

    kind: str
    path: str
    legend: Legend | None = None
    codes: Codes = ()
    column: str = ""
    rest: int = NODATA
    eroded: int = 0
    buildings: int = NODATA


@dataclass(frozen=True)
class Item:
    """One labelled image and the region (row, column, height, width) of it that may be read."""

    name: str
    image: ImageFile
    labels: LabelFile
    region: Box

    @classmethod
    def whole(cls, name: str, image: ImageFile, labels: LabelFile) -> Item:
        """An image that may be read everywhere."""
        return cls(name, image, labels, (0, 0, *image.shape))

    @property
    def window(self) -> Window:
        """The region as a window."""
        row, col, height, width = self.region
        return Window(col, row, width, height)

    def within(self, region: Box) -> Item:
        """The same item with another region."""
        return replace(self, region=region)

    def resized(self, shape: tuple[int, int]) -> Item:
        """The same item with its whole picture brought to (rows, columns)."""
        image = replace(self.image, shape=shape, resized=True)
        return replace(self, image=image, region=(0, 0, *shape))


def read_item(item: Item, window: Window) -> tuple[Image, Bytes, Valid]:
    """Image (C, H, W), label codes uint8 (H, W) and validity bool (H, W) of any window.

    The image is uint8 where the file is and the network takes it so, else float32 in the network's units. Outside the
    item's region nothing is read: the image is 0, the label 255, and validity is false.

    Raises:
        SheetError: a file is damaged, or holds a label that the legend does not know.
    """
    height, width = int(window.height), int(window.width)
    image: Image = np.zeros((len(item.image.bands), height, width), np.uint8)
    labels = np.full((height, width), NODATA, np.uint8)
    valid = np.zeros((height, width), bool)
    part = overlap(window, item.window)
    if part is not None:
        here = slices(part, window)
        pixels, good = IMAGES[item.image.kind](item.image, part)
        image = image.astype(pixels.dtype, copy=False)
        image[(slice(None), *here)] = pixels
        labels[here] = LABELS[item.labels.kind](item, part)
        valid[here] = good
    return image, labels, valid


def read_aux(item: Item, window: Window, names: tuple[str, ...]) -> Bytes:
    """What scores beside the classes ought to be, uint8 (A, H, W) for each name: 1, 0, or 255 where nobody knows."""
    out = np.full((len(names), int(window.height), int(window.width)), NODATA, np.uint8)
    part = overlap(window, item.window)
    if part is not None:
        here = slices(part, window)
        for target, name in zip(out, names, strict=True):
            target[here] = AUX_LABELS[name](item, part)
    return out


def image_reader(item: Item) -> Callable[[Window], tuple[Image, Valid]]:
    """A function that reads image (C, H, W) and validity bool (H, W) of any window; see `read_item`."""

    def read(window: Window) -> tuple[Image, Valid]:
        image, _, valid = read_item(item, window)
        return image, valid

    return read


def read_labels(item: Item, window: Window) -> Bytes:
    """Label codes uint8 (H, W) of a window inside the item's image.

    Raises:
        SheetError: a file is damaged, or holds a label that the legend does not know.
    """
    return LABELS[item.labels.kind](item, window)


@lru_cache(maxsize=24)
def _picture(path: str, mode: str, shape: tuple[int, int] | None) -> Image:
    return read_picture(Path(path), mode, shape)


def _read_sheet(image: ImageFile, part: Window) -> tuple[Image, Valid]:
    pixels, good = raster_window(image.path, image.bands, part)
    good = good & valid_by_value(pixels, image.nodata)
    return _in_network_units(pixels, image), good


def _in_network_units(pixels: Image, image: ImageFile) -> Image:
    """uint8 for a network that takes uint8 and files that hold it; else float32, not rounded."""
    if image.value_range is None:
        if pixels.dtype.name != image.dtype:
            raise SheetError(
                image.path,
                f"is {pixels.dtype}, expected {image.dtype}",
                "say with `range: [low, high]` which values stand for dark and bright, or set `model.dtype`",
            )
        return pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    low, high = image.value_range
    return (pixels.astype(np.float32) - np.float32(low)) * np.float32(full_scale(image.dtype) / (high - low))


def _read_picture(image: ImageFile, part: Window) -> tuple[Image, Valid]:
    pixels = _picture(image.path, "RGB", image.shape if image.resized else None)[[b - 1 for b in image.bands]]
    rows, cols = _rows_cols(part)
    return _in_network_units(pixels[:, rows, cols], image), np.ones((int(part.height), int(part.width)), bool)


def _read_scene(image: ImageFile, part: Window) -> tuple[Image, Valid]:
    assert image.scene is not None  # `scene_items` sees to it
    rows, cols = _rows_cols(part)
    pixels = scene_pixels(image.scene)[0][[b - 1 for b in image.bands]]
    return _in_network_units(pixels[:, rows, cols], image), np.ones((int(part.height), int(part.width)), bool)


def _rows_cols(part: Window) -> tuple[slice, slice]:
    rows = slice(int(part.row_off), int(part.row_off + part.height))
    return rows, slice(int(part.col_off), int(part.col_off + part.width))


def _raster_labels(item: Item, part: Window) -> Bytes:
    labels = item.labels
    assert labels.legend is not None  # rasters always have one
    if item.image.resized:
        codes = _resized_codes(labels.path, labels.legend, item.image.path, item.image.shape)[_rows_cols(part)]
    else:
        codes = read_codes(open_labels(Path(labels.path)), labels.legend, item.image.ground, part)
    return _leave_out_borders(codes, labels.eroded) if labels.eroded else codes


@lru_cache(maxsize=24)
def _resized_codes(path: str, legend: Legend, picture: str, shape: tuple[int, int]) -> Bytes:
    """Label codes of a whole picture brought to `shape`: those under the centres of its pixels."""
    high, wide = picture_size(Path(picture))
    codes = read_codes(open_labels(Path(path)), legend, Ground((high, wide), "", ()), Window(0, 0, wide, high))
    rows, cols = (((np.arange(n) + 0.5) * have / n).astype(int) for n, have in zip(shape, (high, wide), strict=True))
    small: Bytes = codes[rows][:, cols]
    return small


def _leave_out_borders(codes: Bytes, radius: int) -> Bytes:
    """255 within `radius` pixels of a class border: with radius 3 this is the rule of the ISPRS contest."""
    from scipy import ndimage

    border = np.zeros(codes.shape, bool)
    border[1:] |= codes[1:] != codes[:-1]
    border[:-1] |= codes[1:] != codes[:-1]
    border[:, 1:] |= codes[:, 1:] != codes[:, :-1]
    border[:, :-1] |= codes[:, 1:] != codes[:, :-1]
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    near = ndimage.binary_dilation(border, (x * x + y * y) <= (radius - 1) ** 2)
    return np.where(near, NODATA, codes).astype(np.uint8)


def _polygon_labels(item: Item, part: Window) -> Bytes:
    place = Affine(*item.image.transform[:6]) @ Affine.translation(part.col_off, part.row_off)
    labels = item.labels
    polygons = PolygonFile(labels.path, labels.codes, labels.column, labels.rest)
    return burn_polygons(polygons, item.image.crs, place, (int(part.height), int(part.width)))


def _contact(item: Item, part: Window) -> Bytes:
    rows, cols = _rows_cols(part)
    if item.image.scene is not None and item.labels.kind == "scene":
        return scene_contact(item.image.scene)[rows, cols]
    shape, labels = (int(part.height), int(part.width)), item.labels
    if labels.kind != "polygons" or labels.buildings == NODATA:
        return np.full(shape, NODATA, np.uint8)
    place = Affine(*item.image.transform[:6]) @ Affine.translation(part.col_off, part.row_off)
    polygons = PolygonFile(labels.path, labels.codes, labels.column, labels.rest)
    contact = contact_of_file(polygons, labels.buildings, item.image.crs, place, shape)
    unknown = (_polygon_labels(item, part) == NODATA) & (contact == 0)  # who knows what stands there
    return np.where(unknown, NODATA, contact).astype(np.uint8)


def _box_labels(item: Item, part: Window) -> Bytes:
    rows, cols = _rows_cols(part)
    return burn_boxes(item.labels.path, item.image.shape, item.labels.codes, item.labels.rest)[rows, cols]


def _scene_labels(item: Item, part: Window) -> Bytes:
    assert item.image.scene is not None  # `scene_items` sees to it
    rows, cols = _rows_cols(part)
    return scene_pixels(item.image.scene)[1][rows, cols]


def _no_labels(item: Item, part: Window) -> Bytes:
    return np.full((int(part.height), int(part.width)), UNLABELLED, np.uint8)


IMAGES: dict[str, Callable[[ImageFile, Window], tuple[Image, Valid]]] = {
    "sheet": _read_sheet,
    "picture": _read_picture,
    "scene": _read_scene,
}
LABELS: dict[str, Callable[[Item, Window], Bytes]] = {
    "raster": _raster_labels,
    "polygons": _polygon_labels,
    "boxes": _box_labels,
    "scene": _scene_labels,
    "none": _no_labels,
}
AUX_LABELS: dict[str, Callable[[Item, Window], Bytes]] = {"contact": _contact}

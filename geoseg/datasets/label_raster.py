"""Label rasters: opened through the doors, decoded, and laid on the pixels of a photo by their place on Earth.

    window of the photo -> label pixel under the centre of each of its pixels -> codes of those pixels

Nothing is ever blended. Where either side has no place on Earth, they lie on each other pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyproj
from pyproj.exceptions import CRSError, ProjError
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Bytes, Doubles, Image, Ints, Valid
from geoseg.classes import NODATA
from geoseg.datasets.legend import Legend, decode
from geoseg.errors import SheetError
from geoseg.geometry.grid import same_crs
from geoseg.plan import transform_of
from geoseg.sheets.door import mask_path, read_header, stat_key
from geoseg.sheets.images import SUFFIXES, picture_size, read_picture
from geoseg.sheets.place import crs_name
from geoseg.sheets.raster import raster_window

__all__ = ["Ground", "LabelRaster", "check_labels", "label_pixels", "meets", "open_labels", "read_codes"]


ROWS = 256
"""Rows of the photo that are laid at a time: memory by width."""
STEP = 32
"""Pixels between the places that are projected exactly; those between are interpolated, off by far less than a pixel.

They are anchored on the photo, so a pixel's place does not depend on the window that is asked for.
"""
TIE = 1e-6
"""Part of a label pixel by which a photo pixel's centre may miss a border between two, and still take the latter."""


@dataclass(frozen=True)
class Ground:
    """The pixels of a raster: shape (rows, columns), CRS (WKT), pixel to x, y.

    CRS and transform are empty where they are not known.
    """

    shape: tuple[int, int]
    crs: str = ""
    transform: tuple[float, ...] = ()

    def box(self) -> str:
        """The place in words."""
        place, (high, wide) = Affine(*self.transform[:6]), self.shape
        corners = np.array([place @ c for c in ((0, 0), (wide, 0), (0, high), (wide, high))])
        (left, bottom), (right, top) = corners.min(0), corners.max(0)
        name = crs_name(self.crs) if self.crs else "no CRS"
        return f"{left:.6g} to {right:.6g}, {bottom:.7g} to {top:.7g} ({name})"


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
        count = len(_picture(path, stat, "as is"))
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
    if not meets(labels, photo):
        raise SheetError(
            labels.path,
            f"lies at {labels.ground.box()}, {name} at {photo.box()}: they do not meet",
            "name the labels of this photo, or correct the georeference of one of them",
        )


def meets(labels: LabelRaster, photo: Ground) -> bool:
    """Whether labels reach a photo; those that have no place on Earth, either of them, lie on each other."""
    if not labels.ground.transform or not photo.transform:
        return True
    high, wide = photo.shape
    side = np.linspace(0, 1, 21)
    zero, one = np.zeros(21), np.ones(21)
    columns = np.concatenate([side, side, zero, one]) * wide
    rows = np.concatenate([zero, one, side, side]) * high
    xs, ys = _label_pixels(labels, photo)(columns, rows)
    good = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[good], ys[good]
    high, wide = labels.ground.shape
    return bool(len(xs)) and bool(xs.max() > 0 and ys.max() > 0 and xs.min() < wide and ys.min() < high)


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
        rows, columns = _pixels_below(labels, photo, part)
        out[top : top + ROWS] = _gather(labels, legend, rows, columns)
    return out


Project = Callable[[Doubles, Doubles], tuple[Doubles, Doubles]]
"""Columns and rows of the photo, in pixels from its upper left corner, to those of the labels."""


def _label_pixels(labels: LabelRaster, photo: Ground) -> Project:
    """From pixels of the photo to pixels of the labels."""
    down, up = Affine(*photo.transform[:6]), ~Affine(*labels.ground.transform[:6])
    change = _change_of_crs(photo.crs, labels.ground.crs, labels.path)

    def project(columns: Doubles, rows: Doubles) -> tuple[Doubles, Doubles]:
        x, y = down.a * columns + down.b * rows + down.c, down.d * columns + down.e * rows + down.f
        x, y = change(x, y)
        return up.a * x + up.b * y + up.c, up.d * x + up.e * y + up.f

    return project


@lru_cache(maxsize=64)
def _change_of_crs(source: str, target: str, subject: str) -> Project:
    """Coordinates of one CRS in another; where one is not known, they are taken to be the same."""
    if not source or not target or same_crs(source, target):
        return lambda x, y: (x, y)
    try:
        transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    except (CRSError, ProjError) as error:
        what = f"is in {crs_name(target)}, which cannot be brought onto {crs_name(source)}"
        raise SheetError(subject, what, "reproject the labels with gdalwarp -r near") from error
    return lambda x, y: transformer.transform(x, y)


def _pixels_below(labels: LabelRaster, photo: Ground, part: Window) -> tuple[Ints, Ints]:
    """Row and column of the label pixel under the centre of each pixel of a part of the photo; -1 outside.

    Both are (H, W), or (H, 1) and (1, W) where rows depend on rows alone and columns on columns.
    """
    columns = np.arange(part.width) + part.col_off + 0.5
    rows = np.arange(part.height) + part.row_off + 0.5
    high, wide = labels.ground.shape
    project = _label_pixels(labels, photo)
    if not photo.crs or not labels.ground.crs or same_crs(photo.crs, labels.ground.crs):
        lie = ~Affine(*labels.ground.transform[:6]) @ Affine(*photo.transform[:6])
        if abs(lie.b) * photo.shape[0] < TIE and abs(lie.d) * photo.shape[1] < TIE:
            xs, ys = lie.a * columns + lie.c, lie.e * rows + lie.f
            return _whole(ys, high)[:, None], _whole(xs, wide)[None]
    xs, ys = _interpolated(project, rows, columns)
    return _whole(ys, high), _whole(xs, wide)


def _whole(places: Doubles, size: int) -> Ints:
    with np.errstate(invalid="ignore"):
        inside = (places >= -TIE) & (places < size - TIE)
    return np.where(inside, np.floor(np.where(inside, places, 0) + TIE), -1).astype(np.int64)


def _interpolated(project: Project, rows: Doubles, columns: Doubles) -> tuple[Doubles, Doubles]:
    """Label pixels (H, W) of rows and columns of the photo, linear between places that are projected exactly."""
    ys, xs = _nodes(rows), _nodes(columns)
    grid = np.meshgrid(xs, ys)
    found = project(grid[0], grid[1])
    row, down = _between(rows, ys)
    column, across = _between(columns, xs)
    out = []
    for values in found:
        lines = values[row] * (1 - down)[:, None] + values[row + 1] * down[:, None]
        out.append(lines[:, column] * (1 - across) + lines[:, column + 1] * across)
    return out[0], out[1]


def _nodes(places: Doubles) -> Doubles:
    first = np.floor(places[0] / STEP)
    last = np.floor(places[-1] / STEP) + 1
    return np.asarray(np.arange(first, last + 1) * STEP, np.float64)


def _between(places: Doubles, nodes: Doubles) -> tuple[Ints, Doubles]:
    """The node before each place, and how far it lies towards the next (0 to 1)."""
    steps = (places - nodes[0]) / STEP
    before = np.floor(steps).astype(np.int64)
    return before, np.asarray(steps - before, np.float64)


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

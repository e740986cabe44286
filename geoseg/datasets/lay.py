"""From the pixels of a photo to those of a raster of labels, by the place of both on Earth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyproj
from pyproj.exceptions import CRSError, ProjError
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Doubles, Ints
from geoseg.errors import SheetError
from geoseg.geometry.grid import same_crs
from geoseg.sheets.place import crs_name

__all__ = ["Ground", "meets", "pixels_below"]

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


def meets(labels: Ground, photo: Ground) -> bool:
    """Whether labels reach a photo; those that have no place on Earth, either of them, lie on each other."""
    if not labels.transform or not photo.transform:
        return True
    high, wide = photo.shape
    side = np.linspace(0, 1, 21)
    zero, one = np.zeros(21), np.ones(21)
    columns = np.concatenate([side, side, zero, one]) * wide
    rows = np.concatenate([zero, one, side, side]) * high
    xs, ys = _projection(labels, photo)(columns, rows)
    good = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[good], ys[good]
    high, wide = labels.shape
    return bool(len(xs)) and bool(xs.max() > 0 and ys.max() > 0 and xs.min() < wide and ys.min() < high)


Project = Callable[[Doubles, Doubles], tuple[Doubles, Doubles]]
"""Columns and rows of the photo, in pixels from its upper left corner, to those of the labels."""


def _projection(labels: Ground, photo: Ground) -> Project:
    """From pixels of the photo to pixels of the labels."""
    down, up = Affine(*photo.transform[:6]), ~Affine(*labels.transform[:6])
    change = _change_of_crs(photo.crs, labels.crs)

    def project(columns: Doubles, rows: Doubles) -> tuple[Doubles, Doubles]:
        x, y = down.a * columns + down.b * rows + down.c, down.d * columns + down.e * rows + down.f
        x, y = change(x, y)
        return up.a * x + up.b * y + up.c, up.d * x + up.e * y + up.f

    return project


@lru_cache(maxsize=64)
def _change_of_crs(source: str, target: str) -> Project:
    """Coordinates of one CRS in another; where one is not known, they are taken to be the same."""
    if not source or not target or same_crs(source, target):
        return lambda x, y: (x, y)
    try:
        transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    except (CRSError, ProjError) as error:
        what = f"cannot be brought onto {crs_name(source)}"
        raise SheetError(f"labels in {crs_name(target)}", what, "reproject them with gdalwarp -r near") from error
    return lambda x, y: transformer.transform(x, y)


def pixels_below(labels: Ground, photo: Ground, part: Window) -> tuple[Ints, Ints]:
    """Row and column of the label pixel under the centre of each pixel of a part of the photo; -1 outside.

    Both are (H, W), or (H, 1) and (1, W) where rows depend on rows alone and columns on columns.
    """
    columns = np.arange(part.width) + part.col_off + 0.5
    rows = np.arange(part.height) + part.row_off + 0.5
    high, wide = labels.shape
    project = _projection(labels, photo)
    if not photo.crs or not labels.crs or same_crs(photo.crs, labels.crs):
        lie = ~Affine(*labels.transform[:6]) @ Affine(*photo.transform[:6])
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

"""A picture of a run: photo, classes and features side by side, with a legend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import geopandas
import numpy as np
import pyogrio
import rasterio
import shapely
from PIL import Image as Picture
from PIL import ImageDraw
from rasterio.features import rasterize
from rasterio.windows import Window

from geoseg.arrays import Bytes, Image, Shapes
from geoseg.classes import ClassTable
from geoseg.colours import of_role
from geoseg.geometry.grid import Grid
from geoseg.geometry.scatter import pictured
from geoseg.gis.picture import coloured, side_by_side, with_outlines
from geoseg.layers import role_of_table, tables
from geoseg.models.facts import NO_NETWORK
from geoseg.plan import plan_blocks
from geoseg.runfolder.blocks import BlockReader
from geoseg.runfolder.folder import Run
from geoseg.sheets.photo import Photo

__all__ = ["eight_bit", "pictured_windows", "place_picture", "run_picture", "with_legend_below"]

Colour: TypeAlias = tuple[int, ...]

OUTLINE = (0, 229, 255)
"""Colour of what is pointed at; the web map has the same."""


def run_picture(run: Run, side: int, window: Window | None = None, features: Path | None = None) -> Bytes:
    """Photo, classes, and features over the photo, side by side (H, W, 3); read by strips, so a run may have any size.

    Args:
        run: a run with all its blocks.
        side: longest side of each part.
        window: on the run's grid; none: all of it, or its largest group where sheets are far apart.
        features: a GeoPackage; none: the run's own.
    """
    plan, table = run.plan, run.table
    window = window or pictured([s.window for s in plan.sheets])
    step = max(1, -(-max(int(window.height), int(window.width)) // side))
    photo, classes = _read_thinned(run, window, step)
    place = plan.grid.window_transform(window) @ rasterio.Affine.scale(step)
    pictures = [photo, coloured(classes, table)]
    found = features or run.feature_file
    if found:
        pictures.append(with_outlines(photo, _layers(found, plan.grid.bounds(window), table), place))
    return with_legend_below(side_by_side(pictures), [(c.name, c.drawn) for c in table.classes])


def pictured_windows(grid: Grid, shapes: Iterable[shapely.Geometry], least: int = 120, most: int = 800) -> list[Window]:
    """A square window around each shape in the grid's CRS, with some of what lies around it.

    Args:
        grid: the run's.
        shapes: any geometries.
        least: pixels along the smallest window.
        most: pixels along the largest; it shows a part of the shape.
    """
    found = []
    for shape in shapes:
        box = grid.covering(*shape.bounds)
        side = int(min(most, max(least, 1.3 * max(box.width, box.height))))
        centre = shape.representative_point() if side == most else shape.envelope.centroid
        col, row = ~grid.transform @ (centre.x, centre.y)
        found.append(Window(int(col) - side // 2, int(row) - side // 2, side, side))
    return found


def place_picture(run: Run, window: Window, shape: shapely.Geometry, side: int) -> Bytes:
    """The photo of a window with the outline of one shape, at most `side` pixels wide (H, W, 3)."""
    step = max(1, -(-int(window.width) // side))
    photo, _ = _read_thinned(run, window, step)
    place = run.plan.grid.window_transform(window) @ rasterio.Affine.scale(step)
    edge = rasterize([shapely.boundary(shape)], photo.shape[:2], transform=place, all_touched=True, dtype="uint8") > 0
    photo[edge] = OUTLINE
    return photo


def _strips(window: Window, step: int) -> Iterator[Window]:
    """Strips of rows, each a whole number of steps high."""
    high = max(step, 1024 // step * step)
    for top in range(0, int(window.height), high):
        yield Window(window.col_off, window.row_off + top, window.width, min(high, int(window.height) - top))


def _read_thinned(run: Run, window: Window, step: int) -> tuple[Bytes, Bytes]:
    """Photo (H, W, 3) and classes (H, W) of every `step`-th pixel.

    Without a photo, the classes in pale colours stand for it.
    """
    plan = run.plan
    reader, photos, classes = BlockReader(run.blocks, plan, plan_blocks(plan)), [], []
    with Photo(plan, run.job.bands) as photo:
        for strip in _strips(window, step):
            pixels, valid = photo.read(strip)
            rgb = (pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, 0))[:, ::step, ::step]
            rgb = np.moveaxis(eight_bit(rgb), 0, 2).copy()
            rgb[~valid[::step, ::step]] = 225
            photos.append(rgb)
            classes.append(reader.read(strip)[0][::step, ::step])
    whole = np.concatenate(classes)
    if run.job.facts.engine == NO_NETWORK:  # made from a class raster: there is no photo
        return (coloured(whole, run.table) // 3 + 170).astype(np.uint8), whole
    return np.concatenate(photos), whole


def eight_bit(pixels: Image) -> Bytes:
    """Pixels as bytes, the whole range of their type (floats: 0 to 1) as 0 to 255."""
    if pixels.dtype == np.uint8:
        return pixels
    full = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return np.asarray(np.clip(pixels.astype(np.float32) * (255 / full), 0, 255), np.uint8)


def _layers(gpkg: Path, bbox: tuple[float, float, float, float], classes: ClassTable) -> list[tuple[Shapes, Colour]]:
    """Shapes and colour of each table whose outlines are drawn, within a box of the grid's CRS."""
    there = {str(name) for name, _ in pyogrio.list_layers(gpkg)}
    return [
        (
            geopandas.read_file(gpkg, layer=table.name, bbox=bbox).geometry.to_numpy(),
            of_role(classes, role_of_table(table.name)),
        )
        for table in tables().values()
        if table.outlined and table.name in there
    ]


def with_legend_below(picture: Bytes, entries: list[tuple[str, Colour]]) -> Bytes:
    """The picture (H, W, 3) with coloured squares and names in a strip below it."""
    if picture.shape[1] < 160:  # a sheet of a few pixels: room for the names
        picture = np.pad(picture, ((0, 0), (0, 160 - picture.shape[1]), (0, 0)), constant_values=255)
    lines: list[list[tuple[int, str, Colour]]] = [[]]
    x = 8
    for name, colour in entries:
        width = 30 + 7 * len(name)
        if x + width > picture.shape[1] and lines[-1]:
            lines.append([])
            x = 8
        lines[-1].append((x, name, colour))
        x += width
    strip = Picture.new("RGB", (picture.shape[1], 24 * len(lines) + 6), (255, 255, 255))
    draw = ImageDraw.Draw(strip)
    for k, line in enumerate(lines):
        for at, name, colour in line:
            draw.rectangle([at, 24 * k + 7, at + 13, 24 * k + 20], fill=colour, outline=(90, 90, 90))
            draw.text((at + 19, 24 * k + 7), name, fill=(40, 40, 40))
    return np.concatenate([picture, np.asarray(strip, np.uint8)])

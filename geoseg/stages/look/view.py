"""geoseg view: a quick look at a run, or at one class raster, as a picture with its legend.

run -> photo | classes | features over the photo -> legend -> PNG
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pyogrio
import rasterio
from PIL import Image, ImageDraw
from rasterio.windows import Window

from geoseg.classes import NODATA, ClassTable
from geoseg.errors import UsageError
from geoseg.geometry.grid import bounding
from geoseg.gis.picture import coloured, side_by_side, with_outlines, write_png
from geoseg.plan import Plan, load_plan
from geoseg.runfolder.blocks import BlockReader
from geoseg.runfolder.job import load_job
from geoseg.sheets.door import gdal_settings, open_sheet
from geoseg.sheets.listing import feature_files
from geoseg.sheets.photo import Source
from geoseg.stages.planned import plan_blocks

__all__ = ["run_picture", "thinned", "view_raster", "view_run"]

Bytes = npt.NDArray[np.uint8]

LAYERS = {"building": "buildings", "tree": "trees", "car": "cars"}
DRAWN = {"building": (230, 30, 30), "tree": (20, 150, 40), "car": (255, 190, 0)}


def view_run(run: Path, out: Path, side: int = 900) -> Path:
    """Write what `run_picture` draws of a whole run.

    Raises:
        PlanError: no run, or not inferred yet.
    """
    write_png(out, run_picture(run, side))
    return out


def run_picture(run: Path, side: int, window: Window | None = None, features: Path | None = None) -> Bytes:
    """Photo, classes, and features over the photo, side by side (H, W, 3), each at most `side` pixels; read by strips, so runs of any size do.

    Args:
        run: a run with all its blocks.
        side: longest side of each part.
        window: on the run's grid; all of it by default.
        features: a GeoPackage; the run's own by default.
    """
    plan = load_plan(run)
    job, rows, _ = load_job(run)
    table = ClassTable.from_json(rows)
    window = window or bounding([s.window for s in plan.sheets])
    step = max(1, -(-max(int(window.height), int(window.width)) // side))
    photo, classes = thinned(run, plan, job.bands, window, step)
    place = plan.grid.window_transform(window) @ rasterio.Affine.scale(step)
    pictures = [photo, coloured(classes, table)]
    found = feature_files(run) if features is None else [features]
    if found:
        pictures.append(with_outlines(photo, _layers(found[0], plan.grid.bounds(window)), place))
    return _with_legend(side_by_side(pictures), table)


def _strips(window: Window, step: int) -> Iterator[Window]:
    """Strips of rows, each a whole number of steps high."""
    high = max(step, 1024 // step * step)
    for top in range(0, int(window.height), high):
        yield Window(window.col_off, window.row_off + top, window.width, min(high, int(window.height) - top))


def thinned(run: Path, plan: Plan, bands: dict[str, tuple[int, ...]], window: Window, step: int) -> tuple[Bytes, Bytes]:
    """Photo (H, W, 3) and classes (H, W), every `step`-th pixel."""
    reader, photos, classes = BlockReader(run, plan, plan_blocks(plan)), [], []
    with Source(plan, bands) as source:
        for strip in _strips(window, step):
            pixels, valid = source.read(strip)
            rgb = (pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, 0))[:, ::step, ::step]
            rgb = np.moveaxis(_eight_bit(rgb), 0, 2).copy()
            rgb[~valid[::step, ::step]] = 225
            photos.append(rgb)
            classes.append(reader.read(strip)[0][::step, ::step])
    return np.concatenate(photos), np.concatenate(classes)


def _eight_bit(pixels: npt.NDArray[Any]) -> Bytes:
    if pixels.dtype == np.uint8:
        return pixels
    full = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return np.asarray(np.clip(pixels.astype(np.float32) * (255 / full), 0, 255), np.uint8)


def _layers(
    gpkg: Path, bbox: tuple[float, float, float, float]
) -> list[tuple[npt.NDArray[np.object_], tuple[int, int, int]]]:
    there = {str(name) for name, _ in pyogrio.list_layers(gpkg)}
    return [
        (geopandas.read_file(gpkg, layer=name, bbox=bbox).geometry.to_numpy(), DRAWN[role])
        for role, name in LAYERS.items()
        if name in there
    ]


def view_raster(path: Path, out: Path, side: int = 900) -> Path:
    """A class raster in its own colours, at most `side` pixels high or wide.

    Raises:
        UsageError: a raster without a colour table. SheetError: it cannot be read.
    """
    with open_sheet(path) as dataset, rasterio.Env(**gdal_settings()):
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            raise UsageError(
                path, f"has {dataset.count} bands of {dataset.dtypes[0]}", "give a class raster, or a run folder"
            )
        try:
            palette = dataset.colormap(1)
        except ValueError as error:
            raise UsageError(path, "has no colour table", "give a class raster that geoseg wrote") from error
        step = max(1, -(-max(dataset.shape) // side))
        shape = tuple(-(-n // step) for n in dataset.shape)
        values = dataset.read(1, out_shape=shape, resampling=rasterio.enums.Resampling.nearest)
        text = dataset.tags().get("GEOSEG_CLASSES", "{}")
    colours = np.array([palette.get(v, (225, 225, 225, 255))[:3] for v in range(256)], np.uint8)
    colours[NODATA] = 225
    names = {int(k): str(v) for k, v in json.loads(text).items()}
    seen = [(names.get(int(v), str(v)), tuple(int(c) for c in colours[v])) for v in np.unique(values) if v != NODATA]
    write_png(out, _legend_below(colours[values], seen))
    return out


def _with_legend(picture: Bytes, table: ClassTable) -> Bytes:
    return _legend_below(picture, [(c.name, c.colour) for c in table.classes])


def _legend_below(picture: Bytes, entries: list[tuple[str, tuple[int, ...]]]) -> Bytes:
    """The picture with coloured squares and names in a strip below it."""
    if picture.shape[1] < 160:  # a sheet of a few pixels: room for the names
        picture = np.pad(picture, ((0, 0), (0, 160 - picture.shape[1]), (0, 0)), constant_values=255)
    lines, x, row = [[]], 8, 0  # type: tuple[list[list[tuple[int, str, tuple[int, ...]]]], int, int]
    for name, colour in entries:
        width = 30 + 7 * len(name)
        if x + width > picture.shape[1] and lines[row]:
            lines.append([])
            x, row = 8, row + 1
        lines[row].append((x, name, colour))
        x += width
    strip = Image.new("RGB", (picture.shape[1], 24 * len(lines) + 6), (255, 255, 255))
    draw = ImageDraw.Draw(strip)
    for k, line in enumerate(lines):
        for at, name, colour in line:
            draw.rectangle([at, 24 * k + 7, at + 13, 24 * k + 20], fill=tuple(colour), outline=(90, 90, 90))
            draw.text((at + 19, 24 * k + 7), name, fill=(40, 40, 40))
    return np.concatenate([picture, np.asarray(strip, np.uint8)])

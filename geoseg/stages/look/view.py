"""geoseg view: a quick look at a run, or at one class raster, as a picture with its legend.

run -> photo | classes | features over the photo -> legend -> PNG
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio

from geoseg.classes import NODATA
from geoseg.errors import UsageError
from geoseg.gis.picture import write_png
from geoseg.gis.run_picture import run_picture, with_legend_below
from geoseg.runfolder.folder import Run
from geoseg.sheets.door import gdal_settings, open_sheet

__all__ = ["check_web", "view", "view_raster", "view_run"]

SIDE = 900
"""Longest side in pixels of each part of a picture."""


def view(what: Run | Path, out: Path | None = None, *, size: int | None = None, web: bool = False) -> Path:
    """Write a picture of a run or of a class raster, or the web map of a run; returns the file, or the map's page.

    Args:
        what: a run, its folder, or a class raster.
        out: the PNG; with `web` the page or folder, which is RUN/out/map.html or RUN/out/map otherwise.
        size: longest side of each part of the picture, in pixels.
        web: a map for the browser.

    Raises:
        UsageError: no picture is named, a map of a raster is asked for, or the raster shows no classes.
        PlanError: no run, or not inferred yet.
        SheetError: the raster cannot be read.
    """
    place = what.folder if isinstance(what, Run) else what
    if web:
        from geoseg.stages.look.web import web_map

        check_web(place, size)
        return web_map(place, out).page
    if place.is_dir():
        return view_run(place, out or place / "out" / "map.png", size or SIDE)
    if out is None:
        raise UsageError("--out", "no picture named", "add -o PICTURE.png")
    return view_raster(place, out, size or SIDE)


def check_web(place: Path, size: int | None) -> None:
    """Check that a web map can be made.

    Raises:
        UsageError: the place is no folder, or a size is given.
    """
    if not place.is_dir():
        raise UsageError(place, "is no run folder", "a web map shows whole runs; leave --web out for a raster")
    if size is not None:
        raise UsageError("--size", "is for pictures", "leave it out: a web map holds every pixel of the photo")


def view_run(run: Run | Path, out: Path, side: int = SIDE) -> Path:
    """Write a picture of a whole run (`run_picture`), each part of it at most `side` pixels high or wide.

    Raises:
        PlanError: no run, or not inferred yet.
    """
    write_png(out, run_picture(Run.of(run), side))
    return out


def view_raster(path: Path, out: Path, side: int = SIDE) -> Path:
    """Write a picture of a class raster in its own colours, at most `side` pixels high or wide.

    Raises:
        UsageError: it is no class raster, or has no colour table.
        SheetError: it cannot be read.
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
    write_png(out, with_legend_below(colours[values], seen))
    return out

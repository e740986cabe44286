"""geoseg view --web: a finished run as one page for the browser."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import shapely
from PIL import Image
from rasterio.transform import Affine

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.commit import commit_bytes
from geoseg.errors import PlanError
from geoseg.geometry.grid import bounding
from geoseg.gis.picture import coloured
from geoseg.gis.run_picture import thinned
from geoseg.gis.web import WebLayer, web_map_html
from geoseg.layers import tables
from geoseg.runfolder.folder import Run

__all__ = ["web_map"]


SIDE = 4096
"""Longest side of the photo in the page, in pixels."""


def web_map(run: Run | Path, out: Path, side: int = SIDE) -> Path:
    """Write one HTML page with the photo (at most `side` pixels), the classes and all layers of a run.

    Raises:
        PlanError: no run, or one without polygons.
    """
    run = Run.of(run)
    plan, table, files = run.plan, run.table, run.feature_files
    if not files:
        raise PlanError(run.folder, "has no polygons", "run geoseg mosaic first, without --no-vectors")
    window = bounding([s.window for s in plan.sheets])
    step = max(1, math.ceil(max(int(window.height), int(window.width)) / side))
    photo, classes = thinned(run, window, step)
    place = plan.grid.window_transform(window) @ Affine.scale(step)
    layers = _layers(files[0], ~place, {c.name: c.colour for c in table.classes})
    page = web_map_html(
        files[0].stem,
        _encoded(Image.fromarray(photo), "JPEG", quality=85),
        _encoded(_transparent(classes, table), "PNG"),
        (photo.shape[1], photo.shape[0]),
        plan.gsd * step,
        layers,
        [(c.name, c.hex) for c in table.classes],
    )
    commit_bytes(out, page.encode())
    return out


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _transparent(classes: Bytes, table: ClassTable) -> Image.Image:
    alpha = np.where(classes == NODATA, 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([coloured(classes, table), alpha]))


def _layers(gpkg: Path, to_pixels: Affine, colours: dict[str, tuple[int, int, int]]) -> list[WebLayer]:
    there = {str(name) for name, _ in pyogrio.list_layers(gpkg)}
    found = []
    for name, look in sorted(tables().items(), key=lambda row: row[1].level):
        if name not in there:
            continue
        frame = geopandas.read_file(gpkg, layer=name)
        shapes = shapely.transform(
            frame.geometry.to_numpy(),
            lambda xy: np.column_stack(
                [to_pixels.a * xy[:, 0] + to_pixels.c, to_pixels.e * xy[:, 1] + to_pixels.f]
            ).round(1),
        )
        facts = frame.drop(columns=[frame.geometry.name, "class_id", "run_id"], errors="ignore").to_dict("records")
        features = []
        for shape, fact in zip(shapes, facts, strict=True):
            parts = shapely.get_rings(shape) if look.geometry == "Polygon" else [shape]
            colour = "rgba({},{},{},.45)".format(*colours[fact["class"]]) if name == "landcover" else ""
            said = {k: v for k, v in fact.items() if v is not None and v == v}
            features.append(([shapely.get_coordinates(p).tolist() for p in parts], colour, said))
        found.append(WebLayer(name, look.stroke, look.fill, look.on_map, look.geometry, features))
    return found

"""geoseg view --web: a finished run as one page for the browser."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pyogrio
import shapely
from PIL import Image
from rasterio.transform import Affine

from geoseg.classes import NODATA, ClassTable
from geoseg.commit import commit_bytes
from geoseg.errors import PlanError
from geoseg.geometry.grid import bounding
from geoseg.gis.picture import coloured
from geoseg.gis.web import WebLayer, web_map_html
from geoseg.plan import load_plan
from geoseg.runfolder.job import load_job
from geoseg.sheets.listing import feature_files
from geoseg.stages.look.view import thinned

__all__ = ["web_map"]

Bytes = npt.NDArray[np.uint8]

SIDE = 4096
"""Longest side of the photo in the page, in pixels."""

_LOOK = {  # stroke, fill, shown at first
    "landcover": ("rgba(40,40,40,.6)", "rgba(255,255,255,.25)", False),
    "roads": ("rgba(90,90,95,.9)", "rgba(150,150,155,.45)", False),
    "road_centrelines": ("rgba(250,200,60,1)", "none", True),
    "trees": ("rgba(30,120,45,1)", "rgba(70,180,80,.3)", True),
    "tree_points": ("rgba(10,70,20,1)", "rgba(30,100,40,1)", False),
    "buildings": ("rgba(200,30,30,1)", "rgba(220,70,60,.25)", True),
    "cars": ("rgba(90,70,0,1)", "rgba(250,210,40,.7)", True),
}


def web_map(run: Path, out: Path, side: int = SIDE) -> Path:
    """Write one HTML page with the photo (at most `side` pixels), the classes and all layers of a run.

    Raises:
        PlanError: no run, or one without polygons.
    """
    plan = load_plan(run)
    job, rows, _ = load_job(run)
    table = ClassTable.from_json(rows)
    files = feature_files(run)
    if not files:
        raise PlanError(run, "has no polygons", "run geoseg mosaic first, without --no-vectors")
    window = bounding([s.window for s in plan.sheets])
    step = max(1, math.ceil(max(int(window.height), int(window.width)) / side))
    photo, classes = thinned(run, plan, job.bands, window, step)
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
    for name, (stroke, fill, shown) in _LOOK.items():
        if name not in there:
            continue
        frame = geopandas.read_file(gpkg, layer=name)
        kind = "Point" if name == "tree_points" else "LineString" if name == "road_centrelines" else "Polygon"
        shapes = shapely.transform(
            frame.geometry.to_numpy(),
            lambda xy: np.column_stack(
                [to_pixels.a * xy[:, 0] + to_pixels.c, to_pixels.e * xy[:, 1] + to_pixels.f]
            ).round(1),
        )
        facts = frame.drop(columns=[frame.geometry.name, "class_id", "run_id"], errors="ignore").to_dict("records")
        features = []
        for shape, fact in zip(shapes, facts, strict=True):
            parts = shapely.get_rings(shape) if kind == "Polygon" else [shape]
            colour = "rgba({},{},{},.45)".format(*colours[fact["class"]]) if name == "landcover" else ""
            said = {k: v for k, v in fact.items() if v is not None and v == v}
            features.append(([shapely.get_coordinates(p).tolist() for p in parts], colour, said))
        found.append(WebLayer(name, stroke, fill, shown, kind, features))
    return found

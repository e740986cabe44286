"""geoseg view --web: a finished run as one page for the browser."""

from __future__ import annotations

import io
import math
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import shapely
from PIL import Image
from rasterio.transform import Affine

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.colours import css, darker, lighter, of_role
from geoseg.commit import commit_bytes
from geoseg.errors import PlanError
from geoseg.geometry.scatter import pictured
from geoseg.gis.picture import coloured
from geoseg.gis.run_picture import read_thinned
from geoseg.gis.web import WebFeature, WebLayer, WebMap, web_map_html
from geoseg.layers import Table, role_of_table, tables
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
    window = pictured([s.window for s in plan.sheets])
    step = max(1, math.ceil(max(int(window.height), int(window.width)) / side))
    photo, classes = read_thinned(run, window, step)
    place = plan.grid.window_transform(window) @ Affine.scale(step)
    content = WebMap(
        title=files[0].stem,
        photo=_encode(Image.fromarray(photo), "JPEG", quality=85),
        classes=_encode(_transparent(classes, table), "PNG"),
        size=(photo.shape[1], photo.shape[0]),
        metres=plan.gsd * step,
        layers=_layers(files[0], ~place, table),
        legend=[(c.name, c.hex) for c in table.classes],
    )
    commit_bytes(out, web_map_html(content).encode())
    return out


def _encode(picture: Image.Image, kind: str, **options: int) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _transparent(classes: Bytes, table: ClassTable) -> Image.Image:
    """A picture of the classes (H, W), transparent where there is no data."""
    alpha = np.where(classes == NODATA, 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([coloured(classes, table), alpha]))


def _layers(gpkg: Path, to_pixels: Affine, table: ClassTable) -> list[WebLayer]:
    """The tables of a GeoPackage as layers of the page, from the bottom up."""
    there = {str(name) for name, _ in pyogrio.list_layers(gpkg)}
    layers = []
    for name, look in sorted(tables().items(), key=lambda row: row[1].level):
        if name in there:
            colour = of_role(table, role_of_table(name))
            inside = lighter(colour, 0.6) if look.geometry == "LineString" else colour
            line, fill = css(darker(colour), look.line), css(inside, look.fill)
            features = _features(gpkg, look, to_pixels, table)
            layers.append(WebLayer(name, line, fill, look.on_map, look.geometry, features))
    return layers


def _features(gpkg: Path, look: Table, to_pixels: Affine, table: ClassTable) -> list[WebFeature]:
    """Features of a table in pixels of the picture; the land cover's have the colours of their classes."""
    frame = geopandas.read_file(gpkg, layer=look.name)
    scale, corner = [to_pixels.a, to_pixels.e], [to_pixels.c, to_pixels.f]
    shapes = shapely.transform(frame.geometry.to_numpy(), lambda xy: (xy * scale + corner).round(1))
    facts = frame.drop(columns=[frame.geometry.name, "class_id", "run_id"], errors="ignore").to_dict("records")
    colours = {c.name: css(c.drawn, look.fill) for c in table.classes} if look.name == "landcover" else {}
    features: list[WebFeature] = []
    for shape, fact in zip(shapes, facts, strict=True):
        parts = shapely.get_rings(shape) if look.geometry == "Polygon" else [shape]
        said = {k: v for k, v in fact.items() if v is not None and v == v}
        features.append(([shapely.get_coordinates(p).tolist() for p in parts], colours.get(fact["class"], ""), said))
    return features

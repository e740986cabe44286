"""changes.html: what changed, in words, tables and a picture, for people who were not there."""

from __future__ import annotations

import io
from html import escape
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from PIL import Image

from geoseg.arrays import Bytes, Shapes
from geoseg.commit import commit_bytes
from geoseg.gis.geopackage import Layer
from geoseg.gis.picture import coloured, with_outlines
from geoseg.gis.report import html_page, html_picture, html_table
from geoseg.gis.run_picture import with_legend_below
from geoseg.sheets.door import gdal_settings, open_sheet
from geoseg.stages.changes.landcover import LandCover
from geoseg.stages.changes.package import COLOURS
from geoseg.stages.changes.rows import KINDS
from geoseg.stages.changes.sides import Both

__all__ = ["picture", "write_page"]

SIDE = 900
"""Longest side of the picture in pixels."""


def write_page(both: Both, said: list[str], layers: list[Layer], cover: LandCover, path: Path) -> None:
    """Write the page; everything it shows is inside it. `said`: what changed, a line for each layer."""
    title = f"{both.old.name} to {both.new.name}"
    buffer = io.BytesIO()
    Image.fromarray(picture(both, layers)).save(buffer, "PNG")
    items = "".join(f"<li>{escape(line)}</li>" for line in said)
    matrix = cover.matrix.pivot(index="from", columns="to", values="area_m2")
    names = list(dict.fromkeys(cover.matrix["from"]))
    rows = [[escape(a), *(f"{matrix.loc[a, b]:,.0f}" for b in names)] for a in names]
    balance = [
        [escape(r["kind"]), f"{r['pixels']:,}", f"{r['area_m2']:,.1f}"] for r in cover.balance.to_dict("records")
    ]
    numbers = tuple(range(1, len(names) + 1))
    body = [
        f"<h1>{escape(title)}</h1><p class='small'>tolerance: {both.tolerance:g} m</p><ul>{items}</ul>",
        html_picture("changes", buffer.getvalue()),
        "<h2>Land cover</h2><p>Square metres by class before (rows) and after (columns), where both have data.</p>",
        html_table(["", *names], rows, numbers),
        html_table(["", "pixels", "m2"], balance, (1, 2)),
    ]
    commit_bytes(path, html_page(title, "".join(body)).encode())


def picture(both: Both, layers: list[Layer], side: int = SIDE) -> Bytes:
    """The first class raster of NEW (H, W, 3), paled, with the outlines of what changed, and a legend."""
    path = both.new.rasters[0]
    with open_sheet(path) as dataset, rasterio.Env(**gdal_settings()):
        step = max(1, -(-max(dataset.shape) // side))
        shape = -(-dataset.height // step), -(-dataset.width // step)
        values = dataset.read(1, out_shape=shape)
        place = dataset.transform @ Affine.scale(dataset.width / shape[1], dataset.height / shape[0])
    pale = (coloured(np.asarray(values, np.uint8), both.new.table) // 3 + 170).astype(np.uint8)
    drawn: list[tuple[Shapes, tuple[int, ...]]] = [
        (layer.frame.geometry[layer.frame["change"] == kind].to_numpy(), COLOURS[kind])
        for kind in KINDS
        for layer in layers[1:]
    ]
    return with_legend_below(with_outlines(pale, drawn, place), [(KINDS[k], COLOURS[k]) for k in KINDS])

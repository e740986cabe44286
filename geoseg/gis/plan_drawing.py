"""patches.gpkg: the sheets, blocks and patches of a plan, to look at in QGIS."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.errors import OpenElsewhere
from geoseg.geometry.blocks import block_window
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.gis.styles import fill_qml
from geoseg.plan import Plan, patch_windows, plan_blocks

if TYPE_CHECKING:
    import geopandas

__all__ = ["draw_plan"]

log = logging.getLogger(__name__)

MOST_DRAWN = 300_000
"""Patches that are drawn; further ones are only counted."""


def draw_plan(path: Path, plan: Plan) -> int:
    """Write a GeoPackage (sheets, blocks, patches as polygons) to look at in QGIS; returns the number of patches."""
    patches, blocks, sheets = patch_windows(plan), plan_blocks(plan), plan.sheets
    drawn = patches[:MOST_DRAWN]
    patch_frame = _frame(plan, [plan.lattice.window(*p) for p in drawn], **_numbers(drawn))
    block_frame = _frame(plan, [block_window(b, plan.block) for b in blocks], **_numbers(blocks))
    facts = {
        "path": [s.path for s in sheets],
        "mode": [s.mode for s in sheets],
        "order": list(range(len(sheets))),
    }
    layers = [
        Layer(
            "patches",
            patch_frame,
            fill_qml((255, 140, 0), alpha=25, outline=(255, 140, 0), width=0.2),
            f"patches of {plan.lattice.patch} px, overlap {plan.lattice.overlap} px",
        ),
        Layer(
            "blocks",
            block_frame,
            fill_qml((0, 0, 0), alpha=0, outline=(40, 40, 160), width=0.5),
            f"output blocks of {plan.block} px",
        ),
        Layer(
            "sheets",
            _frame(plan, [s.window for s in sheets], **facts),
            fill_qml((0, 0, 0), alpha=0, outline=(180, 0, 0), width=0.7),
            "sheets in order: the first valid pixel wins",
        ),
    ]
    try:
        write_geopackage(path, layers)
    except OpenElsewhere as error:  # a drawing to look at is not worth a night
        log.warning("%s; it still shows the plan of before", error)
    return len(patches)


def _numbers(places: list[tuple[int, int]]) -> dict[str, list[int]]:
    """Columns with the row and column number of patches or blocks."""
    return {"row": [r for r, _ in places], "col": [c for _, c in places]}


def _frame(plan: Plan, windows: list[Window], **columns: object) -> geopandas.GeoDataFrame:
    """Windows of the plan's grid as polygons with columns."""
    import geopandas

    places = np.array([(w.col_off, w.row_off, w.width, w.height) for w in windows], float).reshape(-1, 4)
    left, top = plan.grid.x0 + places[:, 0] * plan.grid.pixel, plan.grid.y0 - places[:, 1] * plan.grid.pixel_y
    right, bottom = left + places[:, 2] * plan.grid.pixel, top - places[:, 3] * plan.grid.pixel_y
    shapes = shapely.box(left, bottom, right, top) if len(places) else []
    return geopandas.GeoDataFrame(columns, geometry=shapes, crs=plan.grid.crs)

"""What a plan amounts to: its blocks, its patches, a drawing of both, and what computing them takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.geometry.grid import bounding
from geoseg.geometry.lattice import block_window, blocks_of
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.gis.styles import fill_qml
from geoseg.plan import Plan

__all__ = ["draw_plan", "megapixels", "memory_needed", "patch_windows", "plan_blocks"]

MOST_DRAWN = 300_000
"""Patches; more are counted only."""


def plan_blocks(plan: Plan) -> list[tuple[int, int]]:
    """Blocks that hold at least one pixel of a sheet inside the area of interest."""
    blocks = blocks_of((s.window for s in plan.sheets), plan.block)
    if not plan.area:
        return blocks
    area = shapely.from_wkt(plan.area)
    shapely.prepare(area)
    return [b for b in blocks if area.intersects(shapely.box(*plan.grid.bounds(block_window(b, plan.block))))]


def patch_windows(plan: Plan) -> list[tuple[int, int]]:
    """(row, column) of all patches that can reach a sheet."""
    found: set[tuple[int, int]] = set()
    lattice = plan.lattice
    for w in (s.window for s in plan.sheets):
        rows = lattice.touching(w.row_off, w.row_off + w.height)
        cols = lattice.touching(w.col_off, w.col_off + w.width)
        found.update((r, c) for r in rows for c in cols)
    if plan.area:
        area = shapely.from_wkt(plan.area)
        shapely.prepare(area)
        found = {p for p in found if area.intersects(shapely.box(*plan.grid.bounds(lattice.window(*p))))}
    return sorted(found)


def draw_plan(run: Path, plan: Plan) -> int:
    """Write patches.gpkg (sheets, blocks, patches as polygons) to look at in QGIS; returns the number of patches."""
    import geopandas

    def frame(windows: list[Window], **columns: object) -> geopandas.GeoDataFrame:
        places = np.array([(w.col_off, w.row_off, w.width, w.height) for w in windows], float).reshape(-1, 4)
        left, top = plan.grid.x0 + places[:, 0] * plan.grid.pixel, plan.grid.y0 - places[:, 1] * plan.grid.pixel
        right, bottom = left + places[:, 2] * plan.grid.pixel, top - places[:, 3] * plan.grid.pixel
        shapes = shapely.box(left, bottom, right, top) if len(places) else []
        return geopandas.GeoDataFrame(columns, geometry=shapes, crs=plan.grid.crs)

    patches, blocks = patch_windows(plan), plan_blocks(plan)
    drawn = patches[:MOST_DRAWN]
    layers = [
        Layer(
            "patches",
            frame([plan.lattice.window(*p) for p in drawn], row=[r for r, _ in drawn], col=[c for _, c in drawn]),
            fill_qml((255, 140, 0), alpha=25, outline=(255, 140, 0), width=0.2),
            f"patches of {plan.lattice.patch} px, overlap {plan.lattice.overlap} px",
        ),
        Layer(
            "blocks",
            frame(
                [block_window(b, plan.block) for b in blocks], row=[r for r, _ in blocks], col=[c for _, c in blocks]
            ),
            fill_qml((0, 0, 0), alpha=0, outline=(40, 40, 160), width=0.5),
            f"output blocks of {plan.block} px",
        ),
        Layer(
            "sheets",
            frame(
                [s.window for s in plan.sheets],
                path=[s.path for s in plan.sheets],
                mode=[s.mode for s in plan.sheets],
                order=list(range(len(plan.sheets))),
            ),
            fill_qml((0, 0, 0), alpha=0, outline=(180, 0, 0), width=0.7),
            "sheets in order: the first valid pixel wins",
        ),
    ]
    write_geopackage(run / "patches.gpkg", layers)
    return len(patches)


def megapixels(plan: Plan) -> float:
    """Of all sheets, each for itself."""
    return float(sum(s.window.width * s.window.height for s in plan.sheets) / 1e6)


def memory_needed(plan: Plan) -> float:
    """Bytes that `infer` will need with a small network of six classes: a strip as wide as a panel, and its rows."""
    whole = bounding([s.window for s in plan.sheets])
    header = plan.sheets[0].header
    side = plan.lattice.patch if plan.asked_lattice else 1536  # what networks usually want
    pixel = side * (3 * len(header.meanings) * np.dtype(header.dtype).itemsize + 4 * 6) + 4 * plan.block
    return float(0.95e9 + min(whole.width, 32_768) * pixel)

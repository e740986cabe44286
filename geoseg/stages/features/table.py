"""Features as tables: the columns that every layer has, and the areas and lengths of shapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import geopandas
import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.classes import LandClass
from geoseg.geometry.ground import area_factors
from geoseg.layers import columns
from geoseg.plan import Plan
from geoseg.stages.features.piece import Attributes, Classified, Ground

__all__ = ["Rows", "common", "frame_of", "identity", "outlines", "pixel_facts", "sheet_at"]


Rows: TypeAlias = Iterator[tuple[shapely.Geometry, Attributes]]
"""Features: shape in pixel corners of the piece, and attributes."""

COMMON = ("id", "class", "class_id", "confidence", "touches_edge", "sheet", "run_id")
"""Attributes of every layer."""

KINDS: dict[str, type] = {
    "class_id": np.int32,
    "touches_edge": bool,
    **dict.fromkeys(("confidence", "area_m2", "perimeter_m"), np.float64),
    **{name: {float: np.float64, int: np.int64, bool: bool}[kind] for name, kind in columns().items()},
}
"""Types of the columns that are no text.

All others are text, also in a piece without features: files get the same columns whatever piece comes first.
"""


def sheet_at(plan: Plan, row: int, col: int) -> str:
    """Name of the first sheet whose footprint holds a pixel of the grid, "" where there is none."""
    return next((Path(s.path).stem for s in plan.meeting(Window(col, row, 1, 1))), "")


def identity(pixel: tuple[int, int]) -> str:
    """The stable name of a feature or region: row and column on the grid of its first pixel."""
    return "{}_{}".format(*pixel)


def common(found: Classified, i: int, part: int | None = None) -> Attributes:
    """Attributes that every layer has, of region `i`; `part` numbers the features that are made of one region."""
    value, pixel, whole = int(found.rings.values[i]), found.pixel(i), found.part_of[i]
    return {
        "id": identity(pixel) + ("" if part is None else f"_{part}"),
        "class": found.table.by_value(value).name,
        "class_id": value,
        "confidence": round(float(found.rings.weight[i] / found.rings.pixels[i]), 1),
        "touches_edge": bool(found.rings.touches[i]),
        "sheet": found.ground.sheet_of(*pixel),
        "run_id": found.ground.run_id,
        "part_of": None if whole is None else identity(whole),
    }


def pixel_facts(ground: Ground, c: LandClass, pixel: tuple[int, int], confidence: float) -> Attributes:
    """Attributes that every layer has, of a feature that is named after a pixel (row, column) of the grid."""
    return {
        "id": identity(pixel),
        "class": c.name,
        "class_id": c.value,
        "confidence": round(confidence, 1),
        "sheet": ground.sheet_of(*pixel),
        "run_id": ground.run_id,
    }


def outlines(found: Classified, classes: list[LandClass]) -> Iterator[tuple[int, shapely.Polygon]]:
    """Regions of some classes: number, exact outline in metres from the region's own first pixel."""
    wanted = np.flatnonzero(np.isin(found.rings.values, [c.value for c in classes]))
    for i, polygon in zip(wanted.tolist(), found.rings.polygons(wanted), strict=True):
        yield i, found.ground.own(polygon, found.rings.first[i])


def frame_of(found: Classified, rows: Rows, columns: tuple[str, ...], kind: str = "Polygon") -> geopandas.GeoDataFrame:
    """A table of features in the grid's CRS; areas and lengths by the local scale of the map.

    Args:
        found: the piece.
        rows: shapes and attributes.
        columns: attributes beside those that every layer has.
        kind: geometry type; polygons also get an area and a perimeter.
    """
    pairs = list(rows)
    shapes = np.array([s for s, _ in pairs], object)
    world = found.ground.world(shapes) if len(pairs) else shapes
    grid = found.ground.grid
    data: dict[str, object] = {name: [r.get(name) for _, r in pairs] for name in COMMON}
    if kind == "Polygon":
        centres = shapely.get_coordinates(shapely.centroid(world)) if len(pairs) else np.zeros((0, 2))
        factors = area_factors(grid.crs, centres[:, 0], centres[:, 1]) if len(pairs) else np.zeros(0)
        data["area_m2"] = np.round(shapely.area(world) * factors, 3)
        data["perimeter_m"] = np.round(shapely.length(world) * np.sqrt(factors), 2)
    data |= {name: [r[name] for _, r in pairs] for name in columns}
    frame = geopandas.GeoDataFrame(data, geometry=list(world), crs=grid.crs)
    return frame.astype({name: KINDS.get(name, object) for name in frame.columns if name != "geometry"})

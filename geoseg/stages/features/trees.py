"""Trees: crowns as polygons and as points; large woods in windows that overlap, so that no cut goes through a crown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import shapely

from geoseg.arrays import Bytes
from geoseg.classes import LandClass
from geoseg.colours import darker, lighter
from geoseg.geometry.sectors import SIDE
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import classes_qml, point_qml
from geoseg.stages.features.piece import Attributes, Classified, codes_of
from geoseg.stages.features.table import common, frame_of, outlines, pixel_facts
from geoseg.vectorize.dice import SMALL
from geoseg.vectorize.trace import trace_rings
from geoseg.vectorize.trees import Crown, CrownOptions, split_crowns

__all__ = ["tree_layers"]

Crowns: TypeAlias = Iterator[tuple[shapely.Polygon, shapely.Point, Crown, Attributes]]
"""Polygon and point in the piece's pixel corners, the crown, and its attributes."""

CROWNS = CrownOptions()
WIDEST_CELL = 256.0
"""Metres: woods are split into crowns in windows of about this."""


def tree_layers(found: Classified, classes: list[LandClass]) -> list[Layer]:
    """Crowns as polygons and as points."""
    crowns = [
        (polygon, point, facts | _own_facts(found, polygon, crown))
        for polygon, point, crown, facts in (*_of_small(found, classes), *_of_large(found, classes))
    ]
    own = ("crown_diameter_m", "kind")
    polygons = frame_of(found, ((polygon, row) for polygon, _, row in crowns), own)
    points = frame_of(found, ((point, row) for _, point, row in crowns), ("area_m2", *own), "Point")
    colour = classes[0].drawn
    kinds = [("crown", lighter(colour)), ("canopy", colour)]
    dots = point_qml(darker(colour), 1.2, smallest_scale=2500)
    return [
        Layer(
            "trees",
            polygons,
            classes_qml("kind", kinds, alpha=80, smallest_scale=6000),
            "tree crowns, split where they touch; woods",
        ),
        Layer("tree_points", points, dots, "one point for each crown", "Point"),
    ]


def _own_facts(found: Classified, polygon: shapely.Polygon, crown: Crown) -> Attributes:
    """Attributes that only crowns have."""
    return {
        "crown_diameter_m": round(crown.diameter, 2),
        "kind": crown.kind,
        "area_m2": round(polygon.area * found.ground.gsd**2, 3),
    }


def _of_small(found: Classified, classes: list[LandClass]) -> Crowns:
    """Crowns of canopies that are not large."""
    for i, outline in outlines(found, classes):
        if found.states[i] == SMALL:
            for k, crown in enumerate(split_crowns(outline, CROWNS)):
                first = found.rings.first[i]
                polygon, point = (found.ground.from_own(s, first) for s in (crown.polygon, crown.point))
                yield polygon, point, crown, common(found, i, k)


def _of_large(found: Classified, classes: list[LandClass]) -> Crowns:
    """Cell by cell; each crown is taken where its point lies."""
    values = [c.value for c in classes]
    large = (found.states != SMALL) & np.isin(found.rings.values, values)
    if not large.any():
        return
    codes = codes_of(found.table)
    wood = np.asarray(np.isin(codes.value_of, values) & (codes.state_of != SMALL), np.uint8)
    boxes = shapely.box(*found.rings.boxes()[large].T)
    for rows, cols in _cells(found):
        cell = shapely.box(cols.start, rows.start, cols.stop, rows.stop)
        if shapely.intersects(boxes, cell).any():
            yield from _of_cell(found, classes[0], wood, rows, cols)


def _cells(found: Classified) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the core, cell by cell of an anchored grid."""
    side = SIDE // 2
    while side * found.ground.gsd > WIDEST_CELL and side > 256:
        side //= 2
    window, (rows, cols) = found.ground.window, found.piece.core

    def along(core: slice, offset: int) -> list[slice]:
        first = (core.start + offset) // side * side - offset
        return [slice(max(core.start, k), min(core.stop, k + side)) for k in range(first, core.stop, side)]

    for r in along(rows, int(window.row_off)):
        for c in along(cols, int(window.col_off)):
            yield r, c


def _of_cell(found: Classified, c: LandClass, wood: Bytes, rows: slice, cols: slice) -> Crowns:
    ground = found.ground
    reach = int(CROWNS.widest / ground.gsd) + 1
    at = np.array([max(0, cols.start - reach), max(0, rows.start - reach)])
    part = slice(at[1], rows.stop + reach), slice(at[0], cols.stop + reach)
    rings = trace_rings(wood[found.piece.codes[part]], found.piece.confidence[part], skip=0)
    for i, outline in enumerate(rings.polygons()):
        first = rings.first[i] + at[::-1]
        trust = round(float(rings.weight[i] / rings.pixels[i]), 1)
        for crown in split_crowns(ground.own(shapely.transform(outline, lambda xy: xy + at), first), CROWNS):
            polygon, point = (ground.from_own(s, first) for s in (crown.polygon, crown.point))
            if crown.kind == "canopy":  # wider than what was looked at: each cell has its part of it
                polygon = _part_in(polygon, rows, cols)
                point = polygon.point_on_surface()
            if polygon.is_empty:
                continue
            row, col = int(np.floor(point.y)), int(np.floor(point.x))
            if rows.start <= row < rows.stop and cols.start <= col < cols.stop:
                yield polygon, point, crown, _facts(found, c, polygon, (row, col), trust)


def _part_in(shape: shapely.Polygon, rows: slice, cols: slice) -> shapely.Polygon:
    """The largest part of a polygon within a cell; an empty one where there is none."""
    cell = shapely.box(cols.start, rows.start, cols.stop, rows.stop)
    parts = [p for p in shapely.get_parts(shapely.intersection(shape, cell)) if p.geom_type == "Polygon"]
    return max(parts, key=lambda p: p.area, default=shapely.Polygon())


def _facts(
    found: Classified, c: LandClass, polygon: shapely.Polygon, pixel: tuple[int, int], confidence: float
) -> Attributes:
    """Attributes that every layer has, of a crown that is named after a pixel."""
    window = found.ground.window
    facts = pixel_facts(found.ground, c, (pixel[0] + int(window.row_off), pixel[1] + int(window.col_off)), confidence)
    return {**facts, "id": facts["id"] + "_0", "touches_edge": _at_edge(found, polygon)}


def _at_edge(found: Classified, polygon: shapely.Polygon) -> bool:
    """Tell if a crown's outline meets ground without data, or the frame."""
    codes = found.piece.codes
    corners = np.rint(shapely.get_coordinates(polygon.exterior)).astype(np.int64)
    around = (corners[:, None] + np.array([[-1, -1], [0, -1], [-1, 0], [0, 0]])).reshape(-1, 2)
    x, y = around.T
    inside = (x >= 0) & (y >= 0) & (x < codes.shape[1]) & (y < codes.shape[0])
    return bool(not inside.all() or codes_of(found.table).skipped[codes[y[inside], x[inside]]].any())

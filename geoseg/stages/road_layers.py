"""Roads: street surface and yards as polygons, centrelines as a connected graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from geoseg.classes import NODATA, LandClass
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import classes_qml, road_qml
from geoseg.stages.classified import Classified, Rows, frame_of
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.roads import carriageway, centrelines
from geoseg.vectorize.simplify import simplified
from geoseg.vectorize.trace import trace_rings

__all__ = ["road_layers"]

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

STREET_PIXEL = 0.25
"""Metres: streets are told from yards, and their centrelines drawn, on a grid of about this."""

CARRIAGEWAY, YARD = 1, 2
KINDS = {CARRIAGEWAY: "carriageway", YARD: "parking or yard"}


@dataclass(frozen=True)
class _Paved:
    """Kinds of paved ground and mean confidence on the coarse grid; `step` pixels of the run make one of its pixels of `pixel` metres."""

    kinds: Bytes
    trust: npt.NDArray[np.float32]
    step: int
    pixel: float


def road_layers(found: Classified, classes: list[LandClass]) -> list[Layer]:
    """Street surface and yards as polygons, centrelines as lines."""
    paved = _paved(found, classes)
    roads = frame_of(found, _surfaces(found, classes[0], paved), ("kind",))
    lines = frame_of(found, _lines(found, classes[0], paved), ("width_m", "length_m"), "LineString")
    style = classes_qml("kind", [("carriageway", (150, 150, 155)), ("parking or yard", (205, 200, 190))], alpha=150)
    return [
        Layer("roads", roads, style, "paved ground: carriageway, and parking or yards, told apart by length and width"),
        Layer(
            "road_centrelines",
            lines,
            road_qml((250, 225, 130), (120, 90, 30), "width_m"),
            "centrelines of the carriageway; lines that meet share their junction",
            "LineString",
        ),
    ]


def _paved(found: Classified, classes: list[LandClass]) -> _Paved:
    step = max(1, round(STREET_PIXEL / found.ground.gsd))
    pixel = step * found.ground.gsd
    ground = _coarse(found.clean, [c.value for c in classes], step)
    over = _coarse(found.clean, [c.value for c in found.table.classes if c.role in ("car", "tree")], step)
    street = carriageway(ground, over, pixel)
    kinds = np.where(street, CARRIAGEWAY, np.where(ground, YARD, NODATA)).astype(np.uint8)
    kinds = merge_small(kinds, {CARRIAGEWAY: 40 / pixel**2, YARD: 10 / pixel**2}, skip=NODATA)
    return _Paved(kinds, _coarse_mean(found.confidence, step), step, pixel)


def _surfaces(found: Classified, c: LandClass, paved: _Paved) -> Rows:
    rings = trace_rings(paved.kinds, skip=NODATA, keep_skipped=True)
    shapes = simplified(rings, paved.kinds, 1.0)
    for i in np.flatnonzero(rings.values != NODATA):
        row, col = (int(v) for v in rings.first[i])
        facts = _common(found, c, paved, row, col) | {"touches_edge": _at_frame(shapes[i], paved.kinds.shape)}
        yield _scaled(shapes[i], paved.step), facts | {"kind": KINDS[int(rings.values[i])]}


def _lines(found: Classified, c: LandClass, paved: _Paved) -> Rows:
    high, wide = paved.kinds.shape
    for k, line in enumerate(centrelines(paved.kinds == CARRIAGEWAY, paved.pixel)):
        x, y = shapely.get_coordinates(line.line)[0]
        facts = _common(found, c, paved, min(int(y), high - 1), min(int(x), wide - 1))
        facts |= {
            "id": f"{facts['id']}_{k}",
            "width_m": round(line.width, 2),
            "length_m": round(line.length, 2),
            "touches_edge": _at_frame(line.line, paved.kinds.shape, 2.0),
        }
        yield _scaled(line.line, paved.step), facts


def _common(found: Classified, c: LandClass, paved: _Paved, row: int, col: int) -> dict[str, Any]:
    """Attributes that every layer has, of a pixel of the coarse grid."""
    r = int(row * paved.step + found.ground.window.row_off)
    q = int(col * paved.step + found.ground.window.col_off)
    return {
        "id": f"{r}_{q}",
        "class": c.name,
        "class_id": c.value,
        "confidence": round(float(paved.trust[row, col]), 1),
        "sheet": found.ground.sheet_of(r, q),
        "run_id": found.ground.run_id,
    }


def _at_frame(shape: shapely.Geometry, size: tuple[int, ...], reach: float = 0.0) -> bool:
    left, top, right, bottom = shape.bounds
    return bool(left <= reach or top <= reach or right >= size[1] - reach or bottom >= size[0] - reach)


def _coarse_mean(raster: Bytes, step: int, of: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.float32]:
    """Means of step x step squares of a raster, or of `of[raster]`, some rows at a time; what hangs over at the end counts with what there is."""
    high, wide = (-(-n // step) for n in raster.shape)
    out = np.empty((high, wide), np.float32)
    for top in range(0, high, 256):
        part = raster[top * step : (top + 256) * step]
        part = part if of is None else of[part]
        rows = -(-part.shape[0] // step)
        padded = np.pad(part, ((0, rows * step - part.shape[0]), (0, wide * step - part.shape[1])), mode="edge")
        out[top : top + rows] = padded.reshape(rows, step, wide, step).mean((1, 3), dtype=np.float32)
    return out


def _coarse(raster: Bytes, values: list[int], step: int) -> Mask:
    """Where at least half of a square has one of some values."""
    of = np.zeros(256, np.uint8)
    of[values] = 1
    return np.asarray(_coarse_mean(raster, step, of) >= 0.5)


def _scaled(shape: shapely.Geometry, step: int) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: xy * step)

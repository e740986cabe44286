"""Feature layers of a run, district by district: what lies far from all else is vectorised as if it were a run of its own.

sheets -> districts -> each: class raster -> `classified` -> layers -> put together

Memory hangs on the largest district, and districts can be done at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas
from rasterio.windows import Window

from geoseg.classes import NODATA, ClassTable
from geoseg.geometry.districts import districts_of
from geoseg.geometry.grid import bounding, overlap, slices
from geoseg.gis.geopackage import Layer
from geoseg.io.plan import Plan
from geoseg.stages.classified import Ground, classified
from geoseg.stages.feature_layers import feature_layers
from geoseg.stages.mosaic_run import MIN_AREA, MosaicOptions, MosaicRun
from geoseg.stages.smoothing import smoothed

__all__ = ["Vectors", "district_layers", "districts", "put_together"]

Bytes = npt.NDArray[np.uint8]
Vectors = tuple[list[Layer], dict[str, Any]]
"""Layers of a district, and the checks of its coverage."""

APART = 50.0
"""Metres without a sheet that no feature reaches across."""


def districts(r: MosaicRun) -> list[tuple[int, ...]]:
    """Numbers of the sheets of each district that holds something of the area of interest; all in one where none does."""
    found = districts_of([s.window for s in r.plan.sheets], APART / r.plan.gsd)
    return [tuple(d) for d in found if _window(r, d) is not None] or [tuple(range(len(r.plan.sheets)))]


def _window(r: MosaicRun, sheets: Sequence[int]) -> Window | None:
    return overlap(bounding([r.plan.sheets[i].window for i in sheets]), r.extent)


def district_layers(r: MosaicRun, key: str, options: MosaicOptions, sheets: Sequence[int]) -> Vectors:
    """Land cover as a coverage, and buildings, roads, trees and cars as GIS users want them, of one district.

    Raises:
        GeosegError: the coverage is not clean.
    """
    window = _window(r, sheets)
    assert window is not None  # as `districts` gives them
    classes, confidence = r.reader.read(window)
    _without_others(classes, window, r.plan, sheets)
    confidence[classes == NODATA] = 0
    if options.smooth:
        values = list(r.table.values)
        shares = lambda part: r.reader.shares(part, len(values))
        classes = smoothed(shares, classes, window, values, options.smooth / r.plan.gsd)
    least = {c.value: MIN_AREA[c.role] if options.min_area is None else options.min_area for c in r.table.classes}
    ground = Ground(r.plan.grid, window, r.plan.gsd, lambda row, col: _sheet_at(r.plan, row, col), key[:12])
    found = classified(classes, confidence, r.table, ground, least, tolerance=options.simplify, square=options.square)
    return feature_layers(found, options.layers), found.checks


def _without_others(classes: Bytes, window: Window, plan: Plan, sheets: Sequence[int]) -> None:
    """No data where the window holds sheets of other districts."""
    own = {plan.sheets[i].path for i in sheets}
    here = plan.meeting(window)
    if all(s.path in own for s in here):
        return
    keep = np.zeros(classes.shape, bool)
    for sheet in here:
        part = overlap(sheet.window, window) if sheet.path in own else None
        if part is not None:
            keep[slices(part, window)] = True
    classes[~keep] = NODATA


def _sheet_at(plan: Plan, row: int, col: int) -> str:
    """Name of the first sheet whose footprint holds a pixel."""
    return next((Path(s.path).stem for s in plan.meeting(Window(col, row, 1, 1))), "")


def put_together(found: Sequence[Vectors], table: ClassTable) -> Vectors:
    """The layers of all districts, in their order, and the sums of their checks."""
    layers: dict[str, list[Layer]] = {}
    for some, _ in found:
        for layer in some:
            layers.setdefault(layer.name, []).append(layer)
    return [_joined(parts) for parts in layers.values()], _checks([c for _, c in found], table)


def _joined(parts: list[Layer]) -> Layer:
    frames = [p.frame for p in parts if len(p.frame)]
    return parts[0] if len(frames) < 2 and len(parts) == 1 else replace(parts[0], frame=_concatenated(parts, frames))


def _concatenated(parts: list[Layer], frames: list[Any]) -> Any:
    """Rows of all frames; empty ones have no types that would count."""
    return pandas.concat(frames, ignore_index=True) if frames else parts[0].frame


def _checks(found: Sequence[dict[str, Any]], table: ClassTable) -> dict[str, Any]:
    """Sums; the change of each class's area over all districts."""
    sums: dict[str, Any] = {k: sum(c[k] for c in found) for k in ("polygons", "vertices", "invalid", "gap", "overlap")}
    before = {c.name: sum(f["pixels"][c.name][0] for f in found) for c in table.classes}
    after = {c.name: sum(f["pixels"][c.name][1] for f in found) for c in table.classes}
    change = {n: round(100 * (after[n] - b) / b, 2) for n, b in before.items() if b}
    return {**sums, "matched": all(c["matched"] for c in found), "area_change_percent": change, "districts": len(found)}

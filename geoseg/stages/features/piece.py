"""A class raster made ready for layers: cleaned, outlined, as a coverage with its buildings squared; and features out of it.

All layers of a piece are made from one `Classified`, so that ids, attributes and places agree between layers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.errors import GeosegError
from geoseg.stages.features.ground import Ground
from geoseg.stages.features.streets import Streets
from geoseg.vectorize.buildings import Squared, SquareOptions, square_building
from geoseg.vectorize.coverage import FINE, Placed, coverage_figures, open_edges, set_into
from geoseg.vectorize.dice import SMALL, Codes, cut_from
from geoseg.vectorize.labels import SIDES, Sides
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.simplify import simplified
from geoseg.vectorize.trace import Rings, trace_rings

__all__ = ["Classified", "Piece", "cleaned", "codes_of", "outlined", "unclean", "within"]


log = logging.getLogger(__name__)


NEAR = 256
"""Pixels: what lies farther from a region has no say in what becomes of it, but for a neighbour's whole area (seams are checked for that)."""


@dataclass(frozen=True)
class Piece:
    """A sector's core and what lies around it: rasters on one window of the grid, (H, W).

    `codes`: classes and states (`vectorize.dice`) of all of it; `core`: rows and columns of the core, whose features are wanted; `streets`: kinds of paved
    ground, where roads are; `whole_of`: first pixel (on the grid) of the whole region for the first pixel of each region of the core that goes on in others.
    """

    codes: npt.NDArray[np.unsignedinteger]
    confidence: Bytes
    core: tuple[slice, slice]
    streets: Streets | None = None
    whole_of: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Classified:
    """A piece of a clean class raster and all that is known of its regions: those that hold data and whose first pixel lies in its core.

    `rings`: exact outlines; `states`: `vectorize.dice`'s; `part_of`: first pixel on the grid (row, column) of the whole region that a region is cut from, None for all others; `coverage`: the
    land cover, `owner` in numbers of the regions; `squared` by region, in metres from its own first pixel; `edges`: see `coverage.open_edges`.
    """

    piece: Piece
    rings: Rings
    states: Bytes
    part_of: list[tuple[int, int] | None]
    coverage: Placed
    squared: dict[int, Squared]
    table: ClassTable
    ground: Ground
    checks: dict[str, Any]
    edges: npt.NDArray[np.int64]

    def identity(self, i: int) -> str:
        """Stable name of a region: its first pixel on the grid."""
        row, col = self.rings.first[i]
        return f"{row + int(self.ground.window.row_off)}_{col + int(self.ground.window.col_off)}"

    def common(self, i: int, part: int | None = None) -> dict[str, Any]:
        """Attributes that every layer has; `part` numbers what came out of one region."""
        row, col = (int(v) for v in self.rings.first[i])
        value = int(self.rings.values[i])
        whole = self.part_of[i]
        return {
            "id": self.identity(i) + ("" if part is None else f"_{part}"),
            "class": self.table.by_value(value).name,
            "class_id": value,
            "confidence": round(float(self.rings.weight[i] / self.rings.pixels[i]), 1),
            "touches_edge": bool(self.rings.touches[i]),
            "sheet": self.ground.sheet_of(row + int(self.ground.window.row_off), col + int(self.ground.window.col_off)),
            "run_id": self.ground.run_id,
            "part_of": None if whole is None else f"{whole[0]}_{whole[1]}",
        }


def codes_of(table: ClassTable) -> Codes:
    """Codes of a table's classes."""
    return Codes(tuple(table.values), NODATA)


def cleaned(raster: Bytes, least: Mapping[int, float], gsd: float, goes_on: Sides = SIDES) -> Bytes:
    """A class raster (H, W) without regions below their smallest size, in square metres by class value; `goes_on`: sides beyond which there is more."""
    return merge_small(raster, {v: a / gsd**2 for v, a in least.items()}, skip=NODATA, goes_on=goes_on)


def outlined(
    piece: Piece,
    table: ClassTable,
    ground: Ground,
    least: Mapping[int, float],
    *,
    tolerance: float = 0.3,
    square: bool = True,
) -> Classified:
    """Outline a piece of a clean class raster, simplify it as a coverage and square its buildings.

    Args:
        piece: a core and what lies around it.
        table: the classes.
        ground: where it lies.
        least: smallest region in square metres by class value.
        tolerance: of the simplification, metres.
        square: whether buildings get right angles.

    Raises:
        GeosegError: the coverage has a gap, an overlap or an invalid polygon.
    """
    codes = codes_of(table)
    every = trace_rings(piece.codes, piece.confidence, skip=codes.skipped, keep_skipped=True)
    mine = within(every.first, piece.core)
    near = every.chosen(_near(every.boxes(), mine, piece.core))
    mine = within(near.first, piece.core)
    simple = simplified(near, piece.codes, tolerance / ground.gsd)
    values, area = codes.value_of[near.values], float(shapely.area(simple).sum())
    placed = Placed(simple, np.arange(len(simple)), np.zeros(len(simple), np.int64))
    found: dict[int, Squared] = {}
    if square:
        found = _squared(near, values, codes.state_of[near.values], table, ground)
        new = {i: _on_fine_grid(ground, s.polygon, near.first[i]) for i, s in found.items() if s.status != "simplified"}
        simplified_only = placed
        speck = SquareOptions.least_hole / ground.gsd**2
        limits = np.array([least.get(int(v), 0.0) / ground.gsd**2 for v in values])
        placed = _with_squares(placed, new, values, limits, area, speck)
        if placed is simplified_only:
            found = {}
    own = mine[placed.owner]
    checks = _checked(placed, own, values, area, table)
    data = mine & (values != NODATA)
    number = np.cumsum(data) - 1
    kept = data[placed.owner]
    rings = near.chosen(np.flatnonzero(data), values)
    cover = Placed(placed.polygons[kept], number[placed.owner[kept]], placed.part[kept])
    squares = {int(number[i]): s for i, s in found.items() if data[i]}
    corner = np.array([piece.core[0].start, piece.core[1].start])
    at = corner[0] + int(ground.window.row_off), corner[1] + int(ground.window.col_off)
    part_of = cut_from(piece.codes[piece.core], codes, rings.first - corner, at, piece.whole_of)
    states = codes.state_of[near.values[data]]
    return Classified(
        piece,
        rings,
        states,
        part_of,
        cover,
        squares,
        table,
        ground,
        checks,
        open_edges(placed.polygons[own], ground.window),
    )


def within(pixels: npt.NDArray[np.int64], core: tuple[slice, slice]) -> npt.NDArray[np.bool_]:
    """Which pixels (row, column) lie in the core."""
    row, col = pixels.T
    return np.asarray((row >= core[0].start) & (row < core[0].stop) & (col >= core[1].start) & (col < core[1].stop))


def _near(
    boxes: npt.NDArray[np.int64], mine: npt.NDArray[np.bool_], core: tuple[slice, slice]
) -> npt.NDArray[np.int64]:
    """Numbers of the regions that can have a say in what becomes of the core's: those not farther than `NEAR` from it, or from what sticks out of it."""
    if mine.all():
        return np.arange(len(boxes))
    all_boxes = shapely.box(*boxes.T)
    own = shapely.box(core[1].start, core[0].start, core[1].stop, core[0].stop)
    sticking_out = mine & ((boxes[:, 2] > core[1].stop) | (boxes[:, 3] > core[0].stop) | (boxes[:, 0] < core[1].start))
    tree = shapely.STRtree(all_boxes)
    chosen = tree.query(np.append(all_boxes[sticking_out], own), predicate="dwithin", distance=NEAR)[1]
    return np.union1d(chosen, np.flatnonzero(mine))


def _squared(rings: Rings, values: Bytes, states: Bytes, table: ClassTable, ground: Ground) -> dict[int, Squared]:
    """Squared outlines of buildings that are not large, by number of the region, in metres from its first pixel."""
    buildings = np.isin(values, [c.value for c in table.classes if c.role == "building"])
    wanted = np.flatnonzero(buildings & (states == SMALL))
    exact = rings.polygons(wanted)
    return {int(i): square_building(ground.own(p, rings.first[i])) for i, p in zip(wanted, exact, strict=True)}


def _on_fine_grid(ground: Ground, shape: shapely.Geometry, first: npt.NDArray[np.int64]) -> shapely.Geometry:
    """`Ground.from_own`, rounded where the coverage rounds: the same numbers in every piece that holds the region."""
    rounded = shapely.transform(shape, lambda xy: np.rint(xy / [ground.gsd, -ground.gsd] * FINE) / FINE + first[::-1])
    return rounded if rounded.is_valid else ground.from_own(shape, first)


def _with_squares(
    placed: Placed,
    new: dict[int, shapely.Polygon],
    values: Bytes,
    least: npt.NDArray[np.float64],
    pixels: float,
    speck: float,
) -> Placed:
    """The coverage with squared and round buildings set into it; as it was where that would not be clean."""
    try:
        changed = set_into(placed.polygons, new, least, values == NODATA, speck)
        figures = coverage_figures(changed.polygons, pixels)
    except (ValueError, shapely.errors.GEOSException) as error:
        log.warning("the buildings cannot be squared (%s); they keep their simplified outlines", error)
        return placed
    if figures.matched and not figures.invalid and max(figures.gap, figures.overlap) < 1e-6 * pixels:
        return changed
    log.warning("squared buildings would leave no clean coverage (%s); they keep their simplified outlines", figures)
    return placed


def _checked(
    placed: Placed, own: npt.NDArray[np.bool_], values: Bytes, pixels: float, table: ClassTable
) -> dict[str, Any]:
    """Figures of the piece's coverage, its own polygons in the square of pixels; `pixels`: area of all of it before squaring."""
    figures = coverage_figures(placed.polygons, pixels)
    if figures.invalid or not figures.matched or max(figures.gap, figures.overlap) > 1e-6 * pixels:
        raise unclean(asdict(figures))
    mine = placed.polygons[own]
    after = np.bincount(values[placed.owner[own]], shapely.area(mine), minlength=256)
    return {
        "polygons": len(mine),
        "vertices": int(shapely.get_num_coordinates(mine).sum()),
        "invalid": figures.invalid,
        "matched": figures.matched,
        "area": float(shapely.area(mine).sum()),
        "pixels": {c.name: float(after[c.value]) for c in table.classes},
    }


def unclean(checks: Mapping[str, Any]) -> GeosegError:
    """The error that says that the land cover cannot be trusted."""
    cure = "report it, and run geoseg mosaic with --no-vectors --exact meanwhile"
    return GeosegError("land cover", f"is no clean coverage: {dict(checks)}", cure)

"""From the codes of a piece to its coverage: outlines, simplified as a coverage, with buildings squared in it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import shapely

from geoseg.arrays import Bytes, Doubles, Ints, Mask
from geoseg.classes import NODATA, ClassTable
from geoseg.errors import GeosegError
from geoseg.stages.features.piece import Checks, Classified, Ground, Piece, codes_of, families_of, within
from geoseg.vectorize.buildings import Squared, SquareOptions, square_building
from geoseg.vectorize.coverage import FINE, coverage_figures, open_edges
from geoseg.vectorize.dice import HOUSE, SMALL, Codes, cut_from, first_pixels
from geoseg.vectorize.insert import Keep, Placed, set_into
from geoseg.vectorize.labels import SIDES, Sides
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.rings import Rings
from geoseg.vectorize.simplify import simplify
from geoseg.vectorize.trace import trace_rings

__all__ = ["NEAR", "outline_piece", "unclean", "without_small"]

log = logging.getLogger(__name__)

NEAR = 256
"""Pixels: what lies farther away has no influence on a region, but for a neighbour's whole area (see `seams`)."""


@dataclass(frozen=True)
class _Regions:
    """The regions that can influence the core's polygons.

    `homes`: first pixel (N, 2) of each, of houses that of the region that they were cut from; `mine`: whether it lies
    in the core.
    """

    rings: Rings
    values: Bytes
    states: Bytes
    homes: Ints
    mine: Mask


@dataclass(frozen=True)
class _Outlined:
    """A piece with its regions and their coverage, beyond the core too."""

    piece: Piece
    regions: _Regions
    cover: Placed
    table: ClassTable
    ground: Ground


def without_small(raster: Bytes, least: Mapping[int, float], gsd: float, goes_on: Sides = SIDES) -> Bytes:
    """A class raster (H, W) without regions below their smallest size.

    Args:
        raster: class values.
        least: square metres by class value.
        gsd: metres along a pixel.
        goes_on: sides beyond which there is more.
    """
    return merge_small(raster, {v: a / gsd**2 for v, a in least.items()}, skip=NODATA, goes_on=goes_on)


def outline_piece(
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
    regions = _regions(piece, codes_of(table))
    simple = simplify(regions.rings, piece.codes, tolerance / ground.gsd)
    area = float(shapely.area(simple).sum())
    cover = Placed(simple, np.arange(len(simple)), np.zeros(len(simple), np.int64))
    squared: dict[int, Squared] = {}
    if square:
        tried = _square_buildings(regions, table, ground)
        limits = np.array([least.get(int(v), 0.0) / ground.gsd**2 for v in regions.values])
        changed = _with_squares(cover, tried, regions, limits, ground)
        if changed is not None:
            squared, cover = tried, changed
    checks = _check(cover, regions, area, table)
    return _of_core(_Outlined(piece, regions, cover, table, ground), squared, checks)


def _regions(piece: Piece, codes: Codes) -> _Regions:
    """Trace a piece, and choose the regions that matter for its core."""
    every = trace_rings(piece.codes, piece.confidence, skip=codes.skipped, keep_skipped=True)
    homes = every.first.copy()
    houses = codes.state_of[every.values] >= HOUSE
    if houses.any():
        homes[houses] = first_pixels(codes.joined[piece.codes], every.first[houses])
    mine = within(homes, piece.core)
    near = _near(every.boxes(), mine, piece.core)
    rings = every.chosen(near)
    return _Regions(rings, codes.value_of[rings.values], codes.state_of[rings.values], homes[near], mine[near])


def _near(boxes: Ints, mine: Mask, core: tuple[slice, slice]) -> Ints:
    """Numbers of the regions that can influence the core's: those within `NEAR` of it, or of what sticks out of it."""
    if mine.all():
        return np.arange(len(boxes))
    all_boxes = shapely.box(*boxes.T)
    own = shapely.box(core[1].start, core[0].start, core[1].stop, core[0].stop)
    sticking_out = mine & ((boxes[:, 2] > core[1].stop) | (boxes[:, 3] > core[0].stop) | (boxes[:, 0] < core[1].start))
    tree = shapely.STRtree(all_boxes)
    chosen = tree.query(np.append(all_boxes[sticking_out], own), predicate="dwithin", distance=NEAR)[1]
    return np.union1d(chosen, np.flatnonzero(mine))


def _square_buildings(regions: _Regions, table: ClassTable, ground: Ground) -> dict[int, Squared]:
    """Squared outlines of buildings that are not large, by number of the region, in metres from its first pixel."""
    buildings = np.isin(regions.values, [c.value for c in table.classes if c.role == "building"])
    wanted = np.flatnonzero(buildings & ((regions.states == SMALL) | (regions.states >= HOUSE)))
    exact = regions.rings.polygons(wanted)
    first = regions.rings.first
    return {int(i): square_building(ground.own(p, first[i])) for i, p in zip(wanted, exact, strict=True)}


def _on_fine_grid(ground: Ground, shape: shapely.Geometry, first: Ints) -> shapely.Geometry:
    """`Ground.from_own`, rounded where the coverage rounds: the same numbers in every piece that holds the region."""
    rounded = shapely.transform(shape, lambda xy: np.rint(xy / ground.pixel * FINE) / FINE + first[::-1])
    return rounded if rounded.is_valid else ground.from_own(shape, first)


def _with_squares(
    cover: Placed, squared: dict[int, Squared], regions: _Regions, least: Doubles, ground: Ground
) -> Placed | None:
    """The coverage with squared and round buildings set into it; None where it would not be clean."""
    area = float(shapely.area(cover.polygons).sum())
    first = regions.rings.first
    new = {i: _on_fine_grid(ground, s.polygon, first[i]) for i, s in squared.items() if s.status != "simplified"}
    speck = SquareOptions.least_hole / ground.gsd**2
    try:
        keep = Keep(least, regions.values == NODATA, speck, families_of(regions.states, regions.homes))
        changed = set_into(cover.polygons, new, keep)
        figures = coverage_figures(changed.polygons, area)
    except (ValueError, shapely.errors.GEOSException) as error:
        log.warning("the buildings cannot be squared (%s); they keep their simplified outlines", error)
        return None
    if figures.clean(area):
        return changed
    log.warning("squared buildings would leave no clean coverage (%s); they keep their simplified outlines", figures)
    return None


def _check(cover: Placed, regions: _Regions, area: float, table: ClassTable) -> Checks:
    """Figures of the core's own polygons, once the whole coverage is known to be clean.

    `area`: pixels of all of it before squaring.
    """
    figures = coverage_figures(cover.polygons, area)
    if not figures.clean(area):
        raise unclean(asdict(figures))
    own = regions.mine[cover.owner]
    mine = cover.polygons[own]
    after = np.bincount(regions.values[cover.owner[own]], shapely.area(mine), minlength=256)
    return {
        "polygons": len(mine),
        "vertices": int(shapely.get_num_coordinates(mine).sum()),
        "invalid": figures.invalid,
        "matched": figures.matched,
        "area": float(shapely.area(mine).sum()),
        "pixels": {c.name: float(after[c.value]) for c in table.classes},
    }


def _of_core(outlined: _Outlined, squared: dict[int, Squared], checks: Checks) -> Classified:
    """The core's own regions with data, numbered anew, and their polygons."""
    piece, regions, cover, ground = outlined.piece, outlined.regions, outlined.cover, outlined.ground
    codes = codes_of(outlined.table)
    wanted = regions.mine & (regions.values != NODATA)
    number = np.cumsum(wanted) - 1
    rings = regions.rings.chosen(np.flatnonzero(wanted), regions.values)
    polygons, homes = wanted[cover.owner], regions.homes[wanted]  # a house may lie beyond the core, its home does not
    corner = np.array([piece.core[0].start, piece.core[1].start])
    at = corner[0] + int(ground.window.row_off), corner[1] + int(ground.window.col_off)
    return Classified(
        piece=piece,
        rings=rings,
        states=regions.states[wanted],
        homes=homes,
        part_of=cut_from(piece.codes[piece.core], codes, homes - corner, at, piece.whole_of),
        coverage=Placed(cover.polygons[polygons], number[cover.owner[polygons]], cover.part[polygons]),
        squared={int(number[i]): s for i, s in squared.items() if wanted[i]},
        table=outlined.table,
        ground=ground,
        checks=checks,
        edges=open_edges(cover.polygons[regions.mine[cover.owner]], ground.window),
    )


def unclean(checks: Mapping[str, object]) -> GeosegError:
    """The error that says that the land cover cannot be trusted."""
    cure = "report it, and run geoseg mosaic with --no-vectors --exact meanwhile"
    return GeosegError("land cover", f"is no clean coverage: {dict(checks)}", cure)

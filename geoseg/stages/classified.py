"""A class raster made ready for layers: cleaned, outlined, as a coverage with its buildings squared; and features out of it.

Every layer of a run is made from one `Classified`, so that ids, attributes and places agree between layers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
from rasterio.windows import Window

from geoseg.classes import NODATA, ClassTable, LandClass
from geoseg.errors import GeosegError
from geoseg.geometry.grid import Grid
from geoseg.geometry.ground import area_factors
from geoseg.vectorize.buildings import Squared, SquareOptions, square_building
from geoseg.vectorize.coverage import Placed, coverage_figures, set_into
from geoseg.vectorize.dice import dice
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.simplify import simplified
from geoseg.vectorize.trace import Rings, trace_rings

__all__ = ["Classified", "Ground", "Rows", "classified", "frame_of", "outlines"]

Bytes = npt.NDArray[np.uint8]
Rows = Iterator[tuple[shapely.Geometry, dict[str, Any]]]

log = logging.getLogger(__name__)

COMMON = ("id", "class", "class_id", "confidence", "touches_edge", "sheet", "run_id")
"""Attributes of every layer."""


@dataclass(frozen=True)
class Ground:
    """Where a raster lies: its grid, its window, metres on the ground per pixel, which sheet holds a pixel (row, column), which run it is of."""

    grid: Grid
    window: Window
    gsd: float
    sheet_of: Callable[[int, int], str]
    run_id: str = ""

    def own(self, shape: shapely.Geometry, first: npt.NDArray[np.int64]) -> shapely.Geometry:
        """Pixel corners to metres from a region's own first pixel (row, column): the same numbers wherever the raster begins."""
        return shapely.transform(shape, lambda xy: (xy - first[::-1]) * [self.gsd, -self.gsd])

    def from_own(self, shape: shapely.Geometry, first: npt.NDArray[np.int64]) -> shapely.Geometry:
        """Back from metres from a region's own first pixel to pixel corners."""
        return shapely.transform(shape, lambda xy: xy / [self.gsd, -self.gsd] + first[::-1])

    def world(self, shapes: Any) -> Any:
        """Pixel corners of the raster to the grid's CRS."""
        corner, size = [self.window.col_off, self.window.row_off], self.grid.pixel
        return shapely.transform(shapes, lambda xy: (xy + corner) * [size, -size] + [self.grid.x0, self.grid.y0])


@dataclass(frozen=True)
class Classified:
    """A cleaned class raster and all that is known of its regions.

    `rings`: exact outlines of the regions that hold data, those of a giant diced; `whole`: number of the pixel row and column that a diced region's
    `part_of` is made of, (-1, -1) for all others; `coverage`: the land cover, `owner` in numbers of the regions; `squared` by region, in metres from
    its own first pixel.
    """

    clean: Bytes
    confidence: Bytes
    rings: Rings
    whole: npt.NDArray[np.int64]
    coverage: Placed
    squared: dict[int, Squared]
    table: ClassTable
    ground: Ground
    checks: dict[str, Any] = field(default_factory=dict)

    def identity(self, i: int) -> str:
        """Stable name of a region: its first pixel on the grid."""
        return self._pixel(self.rings.first[i])

    def _pixel(self, pixel: npt.NDArray[np.int64]) -> str:
        return f"{pixel[0] + int(self.ground.window.row_off)}_{pixel[1] + int(self.ground.window.col_off)}"

    def common(self, i: int, part: int | None = None) -> dict[str, Any]:
        """Attributes that every layer has; `part` numbers what came out of one region."""
        row, col = (int(v) for v in self.rings.first[i])
        value = int(self.rings.values[i])
        return {
            "id": self.identity(i) + ("" if part is None else f"_{part}"),
            "class": self.table.by_value(value).name,
            "class_id": value,
            "confidence": round(float(self.rings.weight[i] / self.rings.pixels[i]), 1),
            "touches_edge": bool(self.rings.touches[i]),
            "sheet": self.ground.sheet_of(row + int(self.ground.window.row_off), col + int(self.ground.window.col_off)),
            "run_id": self.ground.run_id,
            "part_of": None if self.whole[i, 0] < 0 else self._pixel(self.whole[i]),
        }


def classified(
    raster: Bytes,
    confidence: Bytes,
    table: ClassTable,
    ground: Ground,
    least: Mapping[int, float],
    *,
    tolerance: float = 0.3,
    square: bool = True,
) -> Classified:
    """Clean a class raster, outline it, simplify it as a coverage and square its buildings.

    Args:
        raster: class values (H, W), 255 without data.
        confidence: percent (H, W).
        table: the classes.
        ground: where it lies.
        least: smallest region in square metres by class value.
        tolerance: of the simplification, metres.
        square: whether buildings get right angles.

    Raises:
        GeosegError: the coverage has a gap, an overlap or an invalid polygon: nothing of it is written.
    """
    limits = {v: a / ground.gsd**2 for v, a in least.items()}
    clean = merge_small(raster, limits, skip=NODATA)
    everything = trace_rings(clean, confidence, skip=NODATA, keep_skipped=True)
    anchor = int(ground.window.row_off), int(ground.window.col_off)
    coded, value_of, whole_of = dice(clean, everything, anchor=anchor, skip=NODATA)
    if coded is not clean:
        everything = trace_rings(coded, confidence, skip=NODATA, keep_skipped=True)
    simple = simplified(everything, coded, tolerance / ground.gsd)
    values = value_of[everything.values]
    found: dict[int, Squared] = {}
    placed = Placed(simple, np.arange(len(simple)), np.zeros(len(simple), np.int64))
    if square:
        found = _squared(everything, values, table, ground)
        new = {i: ground.from_own(s.polygon, everything.first[i]) for i, s in found.items() if s.status != "simplified"}
        simplified_only = placed
        speck = SquareOptions.least_hole / ground.gsd**2
        placed = _with_squares(placed, new, values, limits, raster.size, speck)
        if placed is simplified_only:
            found = {}
    checks = _checked(placed, values, raster, table, ground)
    data = values != NODATA
    number = np.cumsum(data) - 1
    kept = data[placed.owner]
    rings = everything.chosen(np.flatnonzero(data), values)
    cover = Placed(placed.polygons[kept], number[placed.owner[kept]], placed.part[kept])
    squares = {int(number[i]): s for i, s in found.items()}
    return Classified(clean, confidence, rings, whole_of(rings.first), cover, squares, table, ground, checks)


def _squared(rings: Rings, values: Bytes, table: ClassTable, ground: Ground) -> dict[int, Squared]:
    """Squared outlines of buildings by number of the region, in metres from its first pixel."""
    wanted = np.flatnonzero(np.isin(values, [c.value for c in table.classes if c.role == "building"]))
    exact = rings.polygons(wanted)
    return {int(i): square_building(ground.own(p, rings.first[i])) for i, p in zip(wanted, exact, strict=True)}


def _with_squares(
    placed: Placed,
    new: dict[int, shapely.Polygon],
    values: Bytes,
    limits: Mapping[int, float],
    pixels: int,
    speck: float,
) -> Placed:
    """The coverage with squared and round buildings set into it; as it was where that would not be clean."""
    least = np.array([limits.get(int(v), 0.0) for v in values])
    try:
        changed = set_into(placed.polygons, new, least, values == NODATA, speck)
        figures = coverage_figures(changed.polygons, float(pixels))
    except (ValueError, shapely.errors.GEOSException) as error:
        log.warning("the buildings cannot be squared (%s); they keep their simplified outlines", error)
        return placed
    if figures.matched and not figures.invalid and max(figures.gap, figures.overlap) < 1e-6 * pixels:
        return changed
    log.warning("squared buildings would leave no clean coverage (%s); they keep their simplified outlines", figures)
    return placed


def _checked(placed: Placed, values: Bytes, raster: Bytes, table: ClassTable, ground: Ground) -> dict[str, Any]:
    """Figures of the coverage, and each class's pixels before (in the class raster) and after."""
    figures = coverage_figures(placed.polygons, float(raster.size))
    square = ground.gsd**2
    checks = {**asdict(figures), "gap": round(figures.gap * square, 3), "overlap": round(figures.overlap * square, 3)}
    if figures.invalid or not figures.matched or checks["gap"] or checks["overlap"]:
        raise GeosegError(
            "land cover",
            f"is no clean coverage: {checks}",
            "report it, and run geoseg mosaic with --no-vectors --exact meanwhile",
        )
    before = _counts(raster)
    after = np.bincount(values[placed.owner], shapely.area(placed.polygons), minlength=256)
    checks["pixels"] = {c.name: (int(before[c.value]), float(after[c.value])) for c in table.classes}
    return checks


def _counts(raster: Bytes) -> npt.NDArray[np.int64]:
    """Pixels per value, row by row: counting all at once would make eight bytes of each pixel."""
    return np.asarray(sum(np.bincount(row, minlength=256) for row in raster), np.int64)


def outlines(found: Classified, classes: list[LandClass]) -> Iterator[tuple[int, shapely.Polygon]]:
    """(region, exact outline in metres from its own first pixel) of some classes."""
    wanted = np.flatnonzero(np.isin(found.rings.values, [c.value for c in classes]))
    for i, polygon in zip(wanted.tolist(), found.rings.polygons(wanted), strict=True):
        yield i, found.ground.own(polygon, found.rings.first[i])


def frame_of(found: Classified, rows: Rows, columns: tuple[str, ...], kind: str = "Polygon") -> geopandas.GeoDataFrame:
    """Features (in pixel corners) in the grid's CRS; areas and lengths by the local scale of the map."""
    pairs = list(rows)
    shapes = np.array([s for s, _ in pairs], object)
    world = found.ground.world(shapes) if len(pairs) else shapes
    grid = found.ground.grid
    data: dict[str, Any] = {name: [r.get(name) for _, r in pairs] for name in COMMON}
    if kind == "Polygon":
        centres = shapely.get_coordinates(shapely.centroid(world)) if len(pairs) else np.zeros((0, 2))
        factors = area_factors(grid.crs, centres[:, 0], centres[:, 1]) if len(pairs) else np.zeros(0)
        data["area_m2"] = np.round(shapely.area(world) * factors, 3)
        data["perimeter_m"] = np.round(shapely.length(world) * np.sqrt(factors), 2)
    data |= {name: [r[name] for _, r in pairs] for name in columns}
    frame = geopandas.GeoDataFrame(data, geometry=list(world), crs=grid.crs)
    frame["class_id"] = frame["class_id"].astype(np.int32)
    frame["touches_edge"] = frame["touches_edge"].astype(bool)
    return frame

"""The table `review`: the places of a map that are worth a look, ranked, and random ones that say how good it is.

class raster and confidence, square by square -> places of low confidence; buildings, cars -> odd and doubtful ones
-> the best N, and random places -> one table, in which people write their verdicts

It is no row of `layers.LAYERS`: those are made sector by sector, while the best N and a random sample are known only
when the whole map was seen. Places come from the class raster itself, as do the pixels that are judged. So they depend
neither on blocks nor on sectors, nor on how outlines are simplified. Memory does not grow with the map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import geopandas
import numpy as np
import pandas
import shapely
from rasterio.windows import Window

from geoseg.arrays import Bytes, Doubles, Ints, Values
from geoseg.classes import NODATA
from geoseg.colours import REVIEW_REASONS
from geoseg.geometry.blocks import block_window, blocks_of
from geoseg.geometry.grid import grown, overlap, slices
from geoseg.geometry.ground import area_factors
from geoseg.gis.answers.known import Known, known_of
from geoseg.gis.columns import VERDICTS
from geoseg.gis.geopackage import GeoPackage, Layer
from geoseg.gis.styles import classes_qml
from geoseg.layers import ROLES
from geoseg.options import MosaicOptions
from geoseg.stages.features.table import identity
from geoseg.stages.mosaic.inputs import Inputs
from geoseg.stages.mosaic.random_places import PLACES, Drawn, allocation, nothing_drawn, seed_of, with_pixels
from geoseg.vectorize.labels import paint, region_sizes
from geoseg.vectorize.trace import trace_rings

__all__ = ["TABLE", "add_review"]

TABLE = "review"

LARGEST = 20.0
"""Metres along a place of low confidence: longer or wider regions are cut into anchored squares of this side."""
SURE = 70.0
"""Mean confidence in per cent from which on a region is not worth a look."""
ODD = 0.9
"""Fit of a building (`iou_raw`) below which its shape is odd."""
SQUARE = 3.0
"""Metres along a random place; the pixel in its middle is judged."""
STRETCH = 2048
"""Pixels along the squares that are looked at at a time, roughly."""

LOW, SHAPE, DOUBT, RANDOM = REVIEW_REASONS
STRATUM = ("stratum_pixels", "stratum_places", "map_pixels", "map_places")
"""Columns of random places: pixels and random places of the class, and of the map; so none is deleted unseen."""


@dataclass(frozen=True)
class Place:
    """A place of the table; `shape` in the grid's CRS, `score` and `area` in square metres on the ground.

    `stratum`: the values of `STRATUM`, for random places; zeros for ranked ones.
    """

    id: str
    value: int
    reason: str
    score: float
    area: float
    confidence: float
    shape: shapely.Polygon
    stratum: tuple[int, ...] = (0,) * len(STRATUM)


def add_review(inputs: Inputs, options: MosaicOptions, run_id: str, package: GeoPackage) -> None:
    """Add the table `review` to a GeoPackage that holds all other layers.

    Args:
        inputs: the run.
        options: `review` is how many ranked places there are at most; 0: no table.
        run_id: of the run.
        package: takes the table, and is asked for buildings and cars.
    """
    if not options.review:
        return
    known = known_of(inputs.run, inputs.plan.grid.crs)
    most = options.review + len(known.shapes)
    ranked = _not_asked([*_odd_shapes(package, most), *_doubtful_cars(package, most)], known)
    drawn, seed = nothing_drawn(), seed_of(f"{inputs.job.key} {inputs.plan.grid.to_json()} {inputs.plan.area}")
    side = max(4, round(LARGEST / inputs.plan.gsd))
    for core, window in _squares(inputs, side):
        classes, confidence = inputs.reader.read(window)
        inside = slices(core, window)
        drawn = with_pixels(drawn, classes[inside], (int(core.row_off), int(core.col_off)), seed)
        found = _unsure(inputs, replace(options, review=most), (classes, confidence), (core, window), side)
        ranked = _best([*ranked, *_not_asked(found, known)], options.review)
    places = [*_best(ranked, options.review), *_random(inputs, drawn)]
    package.add([_layer(inputs, run_id, places, known)])


def _not_asked(places: list[Place], known: Known) -> list[Place]:
    """Places that nobody has looked at; what people have said of this run stays said."""
    return [place for place in places if not known.covers(place.shape)]


def _best(places: Iterable[Place], most: int) -> list[Place]:
    """The places with the highest scores; one of each id."""
    chosen: dict[str, Place] = {}
    for place in sorted(places, key=lambda p: (-p.score, p.id, p.reason)):
        chosen.setdefault(place.id, place)
    return list(chosen.values())[:most]


def _squares(inputs: Inputs, side: int) -> Iterator[tuple[Window, Window]]:
    """Anchored squares of whole cells that hold a part of a sheet, each with what lies around it within a cell."""
    long = max(1, STRETCH // side) * side
    for number in blocks_of(inputs.plan.seen, long):
        core = overlap(block_window(number, long), inputs.extent)
        assert core is not None  # what is seen lies in the extent
        window = overlap(grown(core, side + 1), inputs.extent)
        assert window is not None  # it holds the core
        yield core, window


def _unsure(
    inputs: Inputs, options: MosaicOptions, rasters: tuple[Bytes, Bytes], place: tuple[Window, Window], side: int
) -> list[Place]:
    """Regions of low confidence whose first pixel lies in a core, the best of them; place: core, and its window."""
    classes, confidence = rasters
    core, window = place
    least = {c.value: ROLES[c.role].min_area for c in inputs.table.classes}
    rings = trace_rings(_cut(classes, window, side), confidence, skip=NODATA)
    first = np.asarray(rings.first + np.array([window.row_off, window.col_off]), np.int64)
    values = rings.values % 256
    factors = _pixel_areas(inputs, first)
    areas = rings.pixels * factors
    scores = np.round((1 - rings.weight / (100 * np.maximum(1, rings.pixels))) * areas, 3)
    smallest = np.array([least.get(v, 0.0) if options.min_area is None else options.min_area for v in range(256)])
    row, col = first.T
    wanted = (row >= core.row_off) & (row < core.row_off + core.height)
    wanted &= (col >= core.col_off) & (col < core.col_off + core.width)
    wanted &= (rings.weight < SURE * rings.pixels) & (areas >= smallest[values])
    numbers = np.flatnonzero(wanted)
    names = [identity((int(row[i]), int(col[i]))) for i in numbers]
    numbers = np.sort(numbers[np.lexsort((names, -scores[numbers]))[: options.review]]) if names else numbers
    shapes = _world(inputs, rings.polygons(numbers), [int(window.col_off), int(window.row_off)])
    return [
        Place(
            id=identity((int(row[i]), int(col[i]))),
            value=int(values[i]),
            reason=LOW,
            score=float(scores[i]),
            area=float(areas[i]),
            confidence=float(rings.weight[i] / rings.pixels[i]),
            shape=shape,
        )
        for i, shape in zip(numbers.tolist(), shapes, strict=True)
    ]


def _cut(classes: Bytes, window: Window, side: int) -> Values:
    """Codes (H, W) that differ where places do: class values, plus some 256 where a large region lies.

    Large regions are cut along anchored cells of `side` pixels; next to each other these have other multiples of 256.
    """
    boxes = trace_rings(classes, skip=NODATA, keep_skipped=True).boxes()
    large = ((boxes[:, 2] - boxes[:, 0] > side) | (boxes[:, 3] - boxes[:, 1] > side)).astype(np.uint16)
    parent, pixels, _ = region_sizes(classes)
    number = np.cumsum(pixels > 0) - 1  # regions come in the order of their first pixels in both
    rows = (np.arange(window.height) + window.row_off) // side % 2
    cols = (np.arange(window.width) + window.col_off) // side % 2
    cell = (256 * (1 + 2 * rows[:, None] + cols[None, :])).astype(np.uint16)
    codes = classes + cell * paint(classes, large[number[parent]])
    return np.where(classes == NODATA, NODATA, codes).astype(np.uint16)


def _pixel_areas(inputs: Inputs, pixels: Ints) -> Doubles:
    """Square metres on the ground of pixels (N, 2) of the grid: row, column."""
    grid = inputs.plan.grid
    x, y = grid.x0 + (pixels[:, 1] + 0.5) * grid.pixel, grid.y0 - (pixels[:, 0] + 0.5) * grid.pixel_y
    return np.asarray(area_factors(grid.crs, x, y) * grid.pixel_area) if len(pixels) else np.zeros(0)


def _world(inputs: Inputs, shapes: Iterable[shapely.Geometry], corner: list[int]) -> list[shapely.Geometry]:
    """From pixel corners of a window to the grid's CRS; corner: its first column and row."""
    grid = inputs.plan.grid
    place = lambda xy: (xy + corner) * [grid.pixel, -grid.pixel_y] + [grid.x0, grid.y0]
    return [shapely.transform(shape, place) for shape in shapes]


def _odd_shapes(package: GeoPackage, most: int) -> list[Place]:
    """Whole buildings whose polygon fits their pixels badly; at stake is the area in which they differ."""
    if "buildings" not in package.counts:
        return []
    order = "(1 - iou_raw) * area_m2 DESC, id"
    query = f"SELECT * FROM buildings WHERE iou_raw < {ODD} AND part_of IS NULL ORDER BY {order} LIMIT {most}"
    return [_of_row(row, row["id"], SHAPE, (1 - row["iou_raw"]) * row["area_m2"]) for row in _rows(package, query)]


def _doubtful_cars(package: GeoPackage, most: int) -> list[Place]:
    """Regions of doubtful cars, where `--all-cars` has kept them; at stake is all of them.

    Cars of one region are one place: they are added up before the best are taken, as whole square millimetres, whose
    sum does not hang on their order.
    """
    if "cars" not in package.counts:
        return []
    total = "SUM(CAST(ROUND(area_m2 * 1000000) AS INTEGER))"
    best = f"SELECT component FROM cars WHERE doubtful GROUP BY component ORDER BY {total} DESC, component LIMIT {most}"
    cars = package.rows(f"SELECT * FROM cars WHERE doubtful AND component IN ({best}) ORDER BY component, id")
    found = []
    for name, region in cars.groupby("component"):
        area = float(np.round(region["area_m2"].to_numpy() * 1e6).sum() / 1e6)
        boxes = region.geometry.to_numpy()
        whole = region.iloc[0].copy()
        whole["area_m2"], whole["geometry"] = (
            area,
            boxes[0] if len(boxes) == 1 else shapely.union_all(boxes).convex_hull,
        )
        found.append(_of_row(whole, str(name), DOUBT, area))
    return found


def _rows(package: GeoPackage, query: str) -> list[pandas.Series]:
    return [row for _, row in package.rows(query).iterrows()]


def _of_row(row: pandas.Series, name: str, reason: str, score: float) -> Place:
    """A feature as a place."""
    facts = float(row["area_m2"]), float(row["confidence"])
    return Place(str(name), int(row["class_id"]), reason, round(float(score), 3), *facts, row["geometry"])


def _random(inputs: Inputs, drawn: Drawn) -> list[Place]:
    """The random places in an order that is random too, so that the first ones alone are a sample as well."""
    counts = {v: int(drawn.counts[v]) for v in inputs.table.values}
    side = 2 * max(0, round((SQUARE / inputs.plan.gsd - 1) / 2)) + 1
    found, shares = [], allocation(counts, PLACES)
    for value, many in shares.items():
        stratum = counts[value], many, sum(counts.values()), sum(shares.values())
        pixels = drawn.pixels[value, :many]
        areas = _pixel_areas(inputs, pixels)
        for number, (row, col), area in zip(drawn.numbers[value].tolist(), pixels.tolist(), areas, strict=False):
            confidence = float(inputs.reader.read(Window(col, row, 1, 1))[1][0, 0])
            left, top = col - side // 2, row - side // 2
            (shape,) = _world(inputs, [shapely.box(left, top, left + side, top + side)], [0, 0])
            name = f"random_{identity((row, col))}"
            facts = name, value, RANDOM, 0.0, float(area) * side**2, confidence, shape, stratum
            found.append((number, Place(*facts)))
    return [place for _, place in sorted(found, key=lambda pair: (pair[0], pair[1].id))]


def _layer(inputs: Inputs, run_id: str, places: list[Place], known: Known) -> Layer:
    """The table, in the order in which places are worth a look."""
    names = {c.value: c.name for c in inputs.table.classes}
    strata = np.array([p.stratum for p in places], np.int64).reshape(-1, len(STRATUM))
    said = [known.verdict(p.id, names[p.value]) if p.stratum[0] else ("", "") for p in places]
    data = {
        "id": _text(p.id for p in places),
        "rank": np.arange(1, len(places) + 1),
        "reason": _text(p.reason for p in places),
        "class": _text(names[p.value] for p in places),
        "class_id": np.array([p.value for p in places], np.int32),
        "score": np.array([p.score for p in places], float),
        "area_m2": np.round(np.array([p.area for p in places], float), 3),
        "confidence": np.round(np.array([p.confidence for p in places], float), 1),
        "verdict": _text(verdict or None for verdict, _ in said),
        "should_be": _text(true or None for _, true in said),
        "note": _text(None for _ in places),
        "sampled": strata[:, 0] > 0,
        **dict(zip(STRATUM, strata.T, strict=True)),
        "run_id": _text(run_id for _ in places),
    }
    frame = geopandas.GeoDataFrame(data, geometry=[p.shape for p in places], crs=inputs.plan.grid.crs)
    style = classes_qml("reason", list(REVIEW_REASONS.items()), alpha=60)
    words = "places worth a look: write your verdict; random places say how good the map is (sampled)"
    return Layer(TABLE, frame, style, words, values={"verdict": VERDICTS, "should_be": tuple(names.values())})


def _text(values: Iterable[str | None]) -> pandas.Series:
    """A column of text, which may be empty."""
    return pandas.Series(list(values), dtype=object)

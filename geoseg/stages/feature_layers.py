r"""Feature layers of a finished class raster: land cover as a coverage, buildings, trees with their points, cars.

classes -> small regions to neighbours -> regions -> simplified coverage
                                              \-> buildings squared, crowns split, cars boxed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
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
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import classes_qml, fill_qml, line_qml, point_qml
from geoseg.vectorize.buildings import square_building
from geoseg.vectorize.cars import split_cars
from geoseg.vectorize.coverage import coverage_figures, merge_small, simplify_coverage
from geoseg.vectorize.roads import carriageway, centrelines
from geoseg.vectorize.trace import Regions, label_regions, trace
from geoseg.vectorize.trees import split_crowns

__all__ = ["Ground", "feature_layers"]

Bytes = npt.NDArray[np.uint8]
Rows = Iterator[tuple[shapely.Geometry, dict[str, Any]]]


@dataclass(frozen=True)
class Ground:
    """Where a raster lies: its grid, its window, metres on the ground per pixel, and which sheet holds a pixel (row, column)."""

    grid: Grid
    window: Window
    gsd: float
    sheet_of: Callable[[int, int], str]

    def metres(self, shapes: Any) -> Any:
        """Pixel corners of the raster to local metres, y up."""
        return shapely.transform(shapes, lambda xy: xy * [self.gsd, -self.gsd])

    def world(self, shapes: Any) -> Any:
        """Local metres to the grid's CRS."""
        left, top = self.grid.transform @ (self.window.col_off, self.window.row_off)
        scale = self.grid.pixel / self.gsd
        return shapely.transform(shapes, lambda xy: xy * scale + [left, top])


@dataclass(frozen=True)
class _Classified:
    """A cleaned class raster, its regions, and which of them touch the edge of the data."""

    clean: Bytes
    confidence: Bytes
    regions: Regions
    edge: npt.NDArray[np.bool_]
    table: ClassTable
    ground: Ground


def feature_layers(
    raster: Bytes, confidence: Bytes, table: ClassTable, ground: Ground, least: Mapping[int, float], tolerance: float
) -> tuple[list[Layer], dict[str, Any]]:
    """Layers for a GeoPackage, and the checks of the coverage.

    Args:
        raster: class values (H, W), 255 without data.
        confidence: percent (H, W).
        table: the classes.
        ground: where it lies.
        least: smallest region in square metres by class value.
        tolerance: of the simplification, metres.

    Raises:
        GeosegError: the coverage has a gap, an overlap or an invalid polygon: nothing of it is written.
    """
    clean = merge_small(raster, {v: a / ground.gsd**2 for v, a in least.items()}, skip=NODATA)
    regions = trace(clean, confidence, skip=NODATA)
    everything = trace(clean)
    whole = simplify_coverage(
        everything, clean, tolerance / ground.gsd
    )  # what has no data too: its edge is shared like any other
    checks = _checked(whole, raster.size, ground)
    simple = whole[everything.values != NODATA]
    found = _Classified(clean, confidence, regions, _on_edge(clean, regions), table, ground)
    layers = [_landcover(found, simple)]
    for role, make in (("building", _buildings), ("road", _roads), ("tree", _trees), ("car", _cars)):
        classes = [c for c in table.classes if c.role == role]
        if classes:
            layers += make(found, classes)
    return layers, checks


def _checked(whole: npt.NDArray[np.object_], pixels: int, ground: Ground) -> dict[str, Any]:
    figures = coverage_figures(whole, float(pixels))
    square = ground.gsd**2
    checks = {**asdict(figures), "gap": round(figures.gap * square, 3), "overlap": round(figures.overlap * square, 3)}
    if figures.invalid or not figures.matched or checks["gap"] or checks["overlap"]:
        raise GeosegError(
            "land cover",
            f"is no clean coverage: {checks}",
            "report it, and run geoseg mosaic with --no-vectors --exact meanwhile",
        )
    return checks


def _on_edge(clean: Bytes, regions: Regions) -> npt.NDArray[np.bool_]:
    """Which regions touch the raster's frame or pixels without data."""
    border = np.pad(clean == NODATA, 1, constant_values=True)
    near = border[:-2, 1:-1] | border[2:, 1:-1] | border[1:-1, :-2] | border[1:-1, 2:]
    near &= clean != NODATA
    labels, _ = label_regions(clean)
    mine = labels[regions.first[:, 0], regions.first[:, 1]]
    return np.asarray(np.isin(mine, np.unique(labels[near])))


def _common(found: _Classified, i: int, part: int | None = None) -> dict[str, Any]:
    """Attributes that every layer has; `part` numbers what came out of one region."""
    row, col = (int(v) for v in found.regions.first[i])
    row, col = row + int(found.ground.window.row_off), col + int(found.ground.window.col_off)
    value = int(found.regions.values[i])
    return {
        "id": f"{row}_{col}" + ("" if part is None else f"_{part}"),
        "class": found.table.by_value(value).name,
        "class_id": value,
        "confidence": round(float(found.regions.weight[i] / found.regions.pixels[i]), 1),
        "touches_edge": bool(found.edge[i]),
        "sheet": found.ground.sheet_of(row, col),
    }


def _frame(found: _Classified, rows: Rows, columns: tuple[str, ...], kind: str = "Polygon") -> geopandas.GeoDataFrame:
    """Features in the grid's CRS; areas and lengths by the local scale of the map."""
    pairs = list(rows)
    shapes = np.array([s for s, _ in pairs], object)
    world = found.ground.world(shapes) if len(pairs) else shapes
    grid = found.ground.grid
    data: dict[str, Any] = {
        name: [r.get(name) for _, r in pairs]
        for name in ("id", "class", "class_id", "confidence", "touches_edge", "sheet")
    }
    if kind == "Polygon":
        centres = shapely.get_coordinates(shapely.centroid(world)) if len(pairs) else np.zeros((0, 2))
        factors = area_factors(grid.crs, centres[:, 0], centres[:, 1]) if len(pairs) else np.zeros(0)
        data["area_m2"] = np.round(shapely.area(world) * factors, 3)
        data["perimeter_m"] = np.round(shapely.length(world) * np.sqrt(factors), 2)
    else:
        data["area_m2"] = [r["area_m2"] for _, r in pairs]
    data |= {name: [r[name] for _, r in pairs] for name in columns}
    frame = geopandas.GeoDataFrame(data, geometry=list(world), crs=grid.crs)
    frame["class_id"] = frame["class_id"].astype(np.int32)
    frame["touches_edge"] = frame["touches_edge"].astype(bool)
    return frame


def _landcover(found: _Classified, simple: npt.NDArray[np.object_]) -> Layer:
    shapes = found.ground.metres(simple)
    frame = _frame(found, ((shapes[i], _common(found, i)) for i in range(len(shapes))), ())
    styles = [(c.name, c.colour) for c in found.table.classes]
    return Layer(
        "landcover", frame, classes_qml("class", styles, alpha=130), "all classes: neighbours share every edge"
    )


def _outlines(found: _Classified, classes: list[LandClass]) -> Iterator[tuple[int, shapely.Polygon]]:
    """(region, exact outline in metres) of some classes."""
    values = [c.value for c in classes]
    for i in np.flatnonzero(np.isin(found.regions.values, values)):
        yield int(i), found.ground.metres(found.regions.polygons[i])


def _buildings(found: _Classified, classes: list[LandClass]) -> list[Layer]:
    def rows() -> Rows:
        for i, outline in _outlines(found, classes):
            squared = square_building(outline)
            yield (
                squared.polygon,
                {
                    **_common(found, i),
                    "orientation_deg": round((90 - squared.orientation) % 90, 1),
                    "vertices": int(shapely.get_num_coordinates(squared.polygon))
                    - len(shapely.get_rings(squared.polygon)),
                    "iou_raw": round(squared.iou, 3),
                    "status": squared.status,
                },
            )

    frame = _frame(found, rows(), ("orientation_deg", "vertices", "iou_raw", "status"))
    style = fill_qml((196, 96, 88), alpha=90, outline=(120, 30, 30), width=0.5)
    return [
        Layer(
            "buildings",
            frame,
            style,
            "buildings with right angles; status says which kept their simplified or round outline",
        )
    ]


STREET_PIXEL = 0.25
"""Metres: streets are told from yards, and their centrelines drawn, on a grid of about this."""


def _roads(found: _Classified, classes: list[LandClass]) -> list[Layer]:
    """Street surface and yards as polygons, centrelines as lines."""
    step = max(1, round(STREET_PIXEL / found.ground.gsd))
    pixel = step * found.ground.gsd
    paved = _coarse(np.isin(found.clean, [c.value for c in classes]), step)
    over = _coarse(np.isin(found.clean, [c.value for c in found.table.classes if c.role in ("car", "tree")]), step)
    street = carriageway(paved, over, pixel)
    kinds = np.where(street, 1, np.where(paved, 2, NODATA)).astype(np.uint8)
    kinds = merge_small(kinds, {1: 40 / pixel**2, 2: 10 / pixel**2}, skip=NODATA)
    everything = trace(kinds)
    keep = everything.values != NODATA
    shapes = simplify_coverage(everything, kinds, 1.0)[keep]
    trust = _coarse_mean(found.confidence, step)
    name = {1: "carriageway", 2: "parking or yard"}

    def common(row: int, col: int, value: float) -> dict[str, Any]:
        r, c = int(row * step + found.ground.window.row_off), int(col * step + found.ground.window.col_off)
        return {
            "id": f"{r}_{c}",
            "class": classes[0].name,
            "class_id": classes[0].value,
            "confidence": round(value, 1),
            "touches_edge": False,
            "sheet": found.ground.sheet_of(r, c),
        }

    def surfaces() -> Rows:
        for shape, value, (row, col) in zip(shapes, everything.values[keep], everything.first[keep], strict=True):
            yield (
                found.ground.metres(_scaled(shape, step)),
                {**common(row, col, float(trust[row, col])), "kind": name[int(value)]},
            )

    def lines() -> Rows:
        for k, line in enumerate(centrelines(kinds == 1, pixel)):
            x, y = shapely.get_coordinates(line.line)[0]
            row, col = min(int(y), kinds.shape[0] - 1), min(int(x), kinds.shape[1] - 1)
            facts = common(row, col, float(trust[row, col]))
            facts |= {
                "id": f"{facts['id']}_{k}",
                "area_m2": None,
                "width_m": round(line.width, 2),
                "length_m": round(line.length, 2),
            }
            yield found.ground.metres(_scaled(line.line, step)), facts

    roads = _frame(found, surfaces(), ("kind",))
    middle = _frame(found, lines(), ("width_m", "length_m"), "LineString").drop(columns="area_m2")
    style = classes_qml("kind", [("carriageway", (150, 150, 155)), ("parking or yard", (205, 200, 190))], alpha=150)
    return [
        Layer("roads", roads, style, "paved ground: carriageway, and parking or yards, told apart by width"),
        Layer(
            "road_centrelines",
            middle,
            line_qml((200, 60, 20), 0.5),
            "centrelines of the carriageway; lines that meet share their junction",
            "LineString",
        ),
    ]


def _coarse_mean(raster: Bytes, step: int) -> npt.NDArray[np.float32]:
    """Means of step x step squares; what hangs over at the end counts with what there is."""
    high, wide = (-(-n // step) for n in raster.shape)
    padded = np.pad(raster, ((0, high * step - raster.shape[0]), (0, wide * step - raster.shape[1])), mode="edge")
    return np.asarray(padded.reshape(high, step, wide, step).mean((1, 3), dtype=np.float32))


def _coarse(mask: npt.NDArray[np.bool_], step: int) -> npt.NDArray[np.bool_]:
    return np.asarray(_coarse_mean(mask.astype(np.uint8), step) >= 0.5)


def _scaled(shape: shapely.Geometry, step: int) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: xy * step)


def _trees(found: _Classified, classes: list[LandClass]) -> list[Layer]:
    crowns = [
        (
            crown,
            {
                **_common(found, i, k),
                "crown_diameter_m": round(crown.diameter, 2),
                "kind": crown.kind,
                "area_m2": round(crown.polygon.area, 3),
            },
        )
        for i, outline in _outlines(found, classes)
        for k, crown in enumerate(split_crowns(outline))
    ]
    columns = ("crown_diameter_m", "kind")
    polygons = _frame(found, ((c.polygon, row) for c, row in crowns), columns)
    points = _frame(found, ((c.point, row) for c, row in crowns), columns, "Point")
    return [
        Layer(
            "trees",
            polygons,
            fill_qml((70, 160, 70), alpha=70, outline=(30, 100, 40), width=0.26),
            "tree crowns, split where they touch",
        ),
        Layer("tree_points", points, point_qml((30, 100, 40), 1.2), "one point for each crown", "Point"),
    ]


def _cars(found: _Classified, classes: list[LandClass]) -> list[Layer]:
    def rows() -> Rows:
        for i, outline in _outlines(found, classes):
            for k, car in enumerate(split_cars(outline)):
                common = _common(found, i, k)
                yield (
                    car.box,
                    {
                        **common,
                        "length_m": round(car.length, 2),
                        "width_m": round(car.width, 2),
                        "heading_deg": round(car.heading, 1),
                        "kind": car.kind,
                        "component": common["id"].rpartition("_")[0],
                    },
                )

    frame = _frame(found, rows(), ("length_m", "width_m", "heading_deg", "kind", "component"))
    style = fill_qml((240, 200, 40), alpha=190, outline=(90, 70, 0), width=0.3)
    return [
        Layer(
            "cars",
            frame,
            style,
            "vehicles as oriented boxes; component is the connected region that they were split from",
        )
    ]

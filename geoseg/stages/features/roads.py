"""Roads: street surface and yards as polygons, centrelines as a connected graph."""

from __future__ import annotations

import numpy as np
import shapely

from geoseg.arrays import Ints
from geoseg.classes import LandClass
from geoseg.colours import darker, lighter
from geoseg.geometry.sectors import coarse_window
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import classes_qml, road_qml
from geoseg.stages.features.piece import Attributes, Classified, within
from geoseg.stages.features.streets import CARRIAGEWAY, KIND_CODES, YARD, Streets, coarse_mean
from geoseg.stages.features.table import Rows, frame_of, pixel_facts
from geoseg.vectorize.dice import cut_from
from geoseg.vectorize.roads import centrelines
from geoseg.vectorize.simplify import simplify
from geoseg.vectorize.trace import trace_rings

__all__ = ["road_layers"]

KINDS = {CARRIAGEWAY: "carriageway", YARD: "parking or yard"}


def road_layers(found: Classified, classes: list[LandClass]) -> list[Layer]:
    """Street surface and yards as polygons, centrelines as lines."""
    streets = found.piece.streets
    assert streets is not None  # a piece with a class of paved ground has them
    place = _Place(found, classes[0], streets)
    roads = frame_of(found, _surfaces(place), ("kind", "part_of"))
    lines = frame_of(found, _lines(place), ("width_m", "length_m"), "LineString")
    colour = classes[0].drawn
    style = classes_qml("kind", [("carriageway", darker(colour, 0.15)), ("parking or yard", colour)], alpha=150)
    return [
        Layer("roads", roads, style, "paved ground: carriageway, and parking or yards, told apart by length and width"),
        Layer(
            "road_centrelines",
            lines,
            road_qml(lighter(colour, 0.6), darker(colour), "width_m"),
            "centrelines of the carriageway; lines that meet share their junction",
            "LineString",
        ),
    ]


class _Place:
    """A piece as its coarse pixels see it: their place on the grid, and attributes of what is found there."""

    def __init__(self, found: Classified, c: LandClass, streets: Streets) -> None:
        self.found, self.of, self.streets = found, c, streets
        window = found.ground.window
        self.trust = coarse_mean(found.piece.confidence, window, streets.step)
        there = coarse_window(window, streets.step)
        self.shift = int(streets.window.row_off - there.row_off), int(streets.window.col_off - there.col_off)

    def facts(self, row: int, col: int) -> Attributes:
        """Attributes that every layer has, of a pixel of the streets' raster."""
        streets = self.streets
        pixel = streets.pixel_on_grid(int(row + streets.window.row_off), int(col + streets.window.col_off))
        trust = float(self.trust[row + self.shift[0], col + self.shift[1]])
        return pixel_facts(self.found.ground, self.of, pixel, trust)

    def at_frame(self, shape: shapely.Geometry, reach: float = 0.0) -> bool:
        """Tell if a shape comes within so many coarse pixels of the whole's frame."""
        left, top, right, bottom = shape.bounds
        frame = self.streets.frame
        near = left <= frame[0] + reach or top <= frame[1] + reach
        return bool(near or right >= frame[2] - reach or bottom >= frame[3] - reach)

    def stretch(self, line: shapely.LineString) -> float:
        """How much longer a line of coarse pixels is on the ground than where pixels are square."""
        aspect = self.found.ground.grid.aspect
        return float(shapely.transform(line, lambda xy: xy * [aspect, 1 / aspect]).length / line.length)

    def on_grid(self, shape: shapely.Geometry) -> shapely.Geometry:
        """From the streets' pixel corners to those of the piece."""
        streets, window = self.streets, self.found.ground.window
        corner = np.array([int(streets.window.col_off), int(streets.window.row_off)])
        origin = np.array([int(window.col_off), int(window.row_off)])
        return shapely.transform(shape, lambda xy: (xy + corner) * streets.step - origin)

    def whole_of(self, pieces: Ints) -> list[str | None]:
        """Id of the whole that each piece, given by its first pixel, is cut from; None where it is whole."""
        streets = self.streets
        corner = np.array([streets.core[0].start, streets.core[1].start])
        at = corner[0] + int(streets.window.row_off), corner[1] + int(streets.window.col_off)
        wholes = cut_from(streets.codes[streets.core], KIND_CODES, pieces - corner, at, streets.whole_of)
        return [None if w is None else "{}_{}".format(*streets.pixel_on_grid(*w)) for w in wholes]


def _surfaces(place: _Place) -> Rows:
    """Polygons of carriageway and yards."""
    streets = place.streets
    rings = trace_rings(streets.codes, skip=KIND_CODES.skipped)
    mine = np.flatnonzero(within(rings.first, streets.core))
    shapes = simplify(rings.chosen(mine), streets.codes, 1.0)
    kinds = KIND_CODES.value_of[rings.values[mine]].tolist()
    wholes = place.whole_of(rings.first[mine])
    for shape, kind, whole, (r, c) in zip(shapes, kinds, wholes, rings.first[mine].tolist(), strict=True):
        facts = place.facts(r, c) | {"touches_edge": place.at_frame(shape), "part_of": whole}
        yield place.on_grid(shape), facts | {"kind": KINDS[kind]}


def _lines(place: _Place) -> Rows:
    """Centrelines of the carriageway; several with their middle in one pixel are numbered."""
    streets = place.streets
    high, wide = streets.codes.shape
    seen: dict[str, int] = {}
    for line in centrelines(streets.kinds == CARRIAGEWAY, streets.pixel, inside=streets.core):
        middle = line.line.interpolate(0.5, normalized=True)
        facts = place.facts(min(int(middle.y), high - 1), min(int(middle.x), wide - 1))
        again = seen[facts["id"]] = seen.get(facts["id"], -1) + 1
        facts |= {
            "id": facts["id"] + (f"_{again}" if again else ""),
            "width_m": round(line.width, 2),
            "length_m": round(line.length * place.stretch(line.line), 2),
            "touches_edge": place.at_frame(line.line, 2.0),
        }
        yield place.on_grid(line.line), facts

"""changes.gpkg: a styled layer for each thing that is compared, and the tables of land cover and of objects."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pandas

from geoseg.gis.geopackage import Layer, new_geopackage
from geoseg.gis.styles import classes_qml, line_classes_qml
from geoseg.stages.changes.landcover import LandCover
from geoseg.stages.changes.lineage import OBJECTS
from geoseg.stages.changes.sides import Both

__all__ = ["COLOURS", "landcover_layer", "lines_layer", "objects_layer", "write_package"]

COLOURS = {
    "added": (30, 150, 60),
    "removed": (215, 40, 40),
    "changed": (245, 160, 20),
    "split": (60, 110, 220),
    "merged": (150, 70, 190),
}
"""The colour of each kind of change."""


def landcover_layer(both: Both, cover: LandCover) -> Layer:
    """Changed ground, in the colour of what it became."""
    colours = {c.name: c.drawn for c in (*both.old.table.classes, *both.new.table.classes)}
    style = classes_qml("to", list(colours.items()), alpha=170)
    text = f"ground that changed its class, without slivers (tolerance {both.tolerance:g} m)"
    return Layer("landcover", cover.polygons, style, text)


def objects_layer(name: str, rows: geopandas.GeoDataFrame) -> Layer:
    """Changes of a layer of objects."""
    text = f"{name} that were added, removed or changed; _old and _new: attributes of both sides"
    return Layer(name, rows, classes_qml("change", list(COLOURS.items()), alpha=120), text)


def lines_layer(name: str, rows: geopandas.GeoDataFrame) -> Layer:
    """Changes of a layer of lines."""
    style = line_classes_qml("change", [(kind, COLOURS[kind]) for kind in ("added", "removed")], width=1.0)
    return Layer(name, rows, style, "stretches that lead where the other side has no road", "LineString")


def write_package(path: Path, layers: list[Layer], cover: LandCover, objects: list[pandas.DataFrame]) -> None:
    """Write and check the GeoPackage; equal changes give equal bytes."""
    names = pandas.concat([pandas.DataFrame(columns=["layer", "id", "object_id", "since"], dtype=object), *objects])
    with new_geopackage(path) as package:
        package.add([*layers[1:], layers[0]])
        package.add_table("landcover_matrix", cover.matrix, "ground by its class before and after")
        package.add_table("landcover_balance", cover.balance, "the matrix in three: unchanged, polygons, slivers")
        package.add_table(OBJECTS, names, "NEW's objects: the name that each one keeps, and since when it is there")
        package.commit()

"""What the columns of the feature layers mean, as the GeoPackage itself says it: aliases, comments, lists of values.

Tables of the schema extension (OGC GeoPackage 1.2, annex F.9), which GDAL reads and QGIS shows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

__all__ = ["COLUMNS", "VERDICTS", "Column", "with_aliases", "write_columns"]


@dataclass(frozen=True)
class Column:
    """A column: alias, meaning in one sentence, and all values that it may have, () for any."""

    alias: str
    text: str
    values: tuple[str, ...] = ()


VERDICTS = ("ok", "wrong", "should_be")
"""What people may say of a place of the table `review`."""

COLUMNS: dict[str, Column] = {
    "id": Column("Object", "Name of the object, from the row and column of its first pixel; the same in every rerun."),
    "class": Column("Class", "Class of the ground."),
    "class_id": Column("Class value", "Value of the class in the class raster."),
    "confidence": Column("Confidence (%)", "Mean confidence of the network, 0 to 100 per cent."),
    "touches_edge": Column("At the edge", "Whether it touches ground without data: it may go on there."),
    "sheet": Column("Sheet", "Photo that its first pixel comes from."),
    "run_id": Column("Run", "Run that made it."),
    "area_m2": Column("Area (m²)", "Area on the ground."),
    "perimeter_m": Column("Perimeter (m)", "Length of all its edges on the ground."),
    "part_of": Column("Part of", "Object that this one is a piece of; empty for whole ones."),
    "orientation_deg": Column("Direction of walls (°)", "0 to 90 degrees."),
    "vertices": Column("Corners", "Number of corners."),
    "iou_raw": Column("Fit (IoU)", "How well the polygon covers the pixels that it was made from; 1 is exact."),
    "status": Column("Shape", "How its outline was drawn.", ("squared", "round", "simplified")),
    "cut": Column("Attached", "Whether it is one of several houses that a region was cut into."),
    "region_id": Column("Lies in", "Land cover polygon that it lies in: houses that were cut apart share one."),
    "width_m": Column("Width (m)", "Width on the ground."),
    "length_m": Column("Length (m)", "Length on the ground."),
    "crown_diameter_m": Column("Crown diameter (m)", "Diameter of the circle with the same area."),
    "heading_deg": Column("Heading (°)", "Direction of the longer side, 0 to 180 degrees clockwise from north."),
    "component": Column("Region", "Connected region that the car was split from: to undo a split."),
    "surroundings": Column("Surroundings", "Class of most of what lies within a metre."),
    "doubtful": Column("Doubtful", "Whether it is most likely no car: low confidence, or roofs around it."),
    "kind": Column("Kind", "What sort of object it is."),
    "rank": Column("Rank", "Order in which places are worth a look, from 1."),
    "reason": Column("Reason", "Why it is worth a look."),
    "score": Column("At stake (m²)", "Area on the ground that is probably wrong; 0 for random places."),
    "verdict": Column(
        "Verdict", "What you see there: ok, wrong, or should_be with the right class in the next column.", VERDICTS
    ),
    "should_be": Column("Should be", "The right class, where the map is wrong."),
    "note": Column("Note", "Whatever you want to add."),
    "sampled": Column("Random", "Whether it was drawn at random: only these tell how good the map is."),
    "stratum_pixels": Column("Pixels of the class", "Pixels of its class in the whole map, for random places."),
    "stratum_places": Column(
        "Places of the class", "Random places of its class: whether some are missing is told by it."
    ),
    "map_pixels": Column("Pixels of the map", "Pixels of all classes in the whole map, for random places."),
    "map_places": Column("Places of the map", "Random places of all classes: whether some are missing is told by it."),
}
"""By name; `KINDS` holds the values of `kind` of each table."""

KINDS = {
    "roads": ("carriageway", "parking or yard"),
    "trees": ("crown", "canopy"),
    "tree_points": ("crown", "canopy"),
    "cars": ("car", "long vehicle"),
}

_TABLES = (
    "CREATE TABLE gpkg_data_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT,"
    " description TEXT, mime_type TEXT, constraint_name TEXT,"
    " CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name), CONSTRAINT gdc_tn UNIQUE (table_name, name))",
    "CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL,"
    " value TEXT, min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,"
    " CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value))",
    "CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,"
    " definition TEXT NOT NULL, scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name,"
    " extension_name))",
)
_EXTENSION = "INSERT INTO gpkg_extensions VALUES (?, NULL, 'gpkg_schema', ?, 'read-write')"
_DEFINITION = "http://www.geopackage.org/spec121/#extension_schema"


def with_aliases(qml: str, names: Iterable[str]) -> str:
    """A style that also holds the aliases of these columns: QGIS before GDAL 3.7 takes them from nowhere else."""
    known = [(name, COLUMNS[name].alias) for name in names if name in COLUMNS]
    if not known or "</qgis>" not in qml:
        return qml
    rows = "".join(
        f'<alias field={quoteattr(n)} index="{i}" name={quoteattr(alias)}/>' for i, (n, alias) in enumerate(known, 1)
    )
    head = qml.replace('styleCategories="', 'styleCategories="Fields|', 1)
    return head.replace("</qgis>", f"<aliases>{rows}</aliases></qgis>")


def write_columns(
    database: sqlite3.Connection,
    tables: Mapping[str, Iterable[str]],
    own: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
) -> None:
    """Write alias, comment and values of all known columns.

    Args:
        database: a GeoPackage that lacks these tables.
        tables: names of the columns of each table.
        own: values of some columns, by table and column.
    """
    rows, lists = [], {}
    for table, names in tables.items():
        for name in names:
            if (column := COLUMNS.get(name)) is None:
                continue
            values = KINDS.get(table, ()) if name == "kind" else (own or {}).get((table, name), column.values)
            constraint = f"{table}_{name}" if values else None
            if constraint:
                lists[constraint] = values
            rows.append((table, name, column.alias, column.alias, column.text, constraint))
    if not rows:
        return
    for statement in _TABLES:
        database.execute(statement)
    for made in ("gpkg_data_columns", "gpkg_data_column_constraints"):
        database.execute(_EXTENSION, (made, _DEFINITION))
    database.executemany("INSERT INTO gpkg_data_columns VALUES (?, ?, ?, ?, ?, NULL, ?)", rows)
    database.executemany(
        "INSERT INTO gpkg_data_column_constraints VALUES (?, 'enum', ?, NULL, NULL, NULL, NULL, NULL)",
        [(name, value) for name, values in lists.items() for value in values],
    )

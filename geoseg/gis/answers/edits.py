"""What somebody has changed in the polygons of a map, against the map as it was made: by id, then by geometry.

edited GeoPackage, original -> rows that differ, found by SQLite -> what was added, moved, deleted, reclassified
-> for each, of which ground it says what

Memory grows with what was changed, not with the map.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import shapely

from geoseg.classes import ClassTable
from geoseg.errors import UsageError
from geoseg.gis.answers.blobs import shape_of
from geoseg.gis.vector_door import check_geopackage
from geoseg.layers import ROLES, role_of_table, tables

__all__ = ["IS", "IS_NOT", "NOTHING", "WITHDRAWN", "Edit", "edits_of", "mark_of"]

IS, IS_NOT, NOTHING = "is", "is not", ""
"""What an edit says of its ground: it is of the class, is of any other class, or nothing that could be learned."""

WITHDRAWN = "withdrawn"
"""The kind of an edit that is no more in the file that it came from."""

NEAR = 1e-6
"""Units of the CRS within which corners are the same: programs write numbers in their own ways."""
_COPY = "edit a copy of NAME.gpkg, with all its columns"


@dataclass(frozen=True)
class Edit:
    """A change of one feature.

    `kind`: added, moved, deleted or reclassified; `says` and `name`: of its `shape`, that it is (or is not) of the
    class of this name.
    """

    layer: str
    id: str
    kind: str
    says: str
    name: str
    shape: shapely.Geometry


@dataclass(frozen=True)
class _Row:
    """A feature as it lies in a table."""

    id: str
    name: str
    value: int | None
    shape: shapely.Geometry

    def like(self, other: _Row) -> bool:
        """Whether both lie in the same place."""
        return bool(shapely.equals_exact(self.shape.normalize(), other.shape.normalize(), NEAR))


Pair = tuple[list[_Row], list[_Row]]
"""A feature as it was, and as it is: several rows where it was split or copied."""


def edits_of(edited: Path, original: Path, table: ClassTable) -> list[Edit]:
    """All edits of the layers that geoseg makes, in the order of the layers.

    Args:
        edited: GeoPackage of somebody.
        original: the same as geoseg made it; it gets indices.
        table: the classes of the map.

    Raises:
        UsageError: a file that cannot be read, or whose layers lack columns or have another CRS.
    """
    check_geopackage(edited)
    found: list[Edit] = []
    with closing(sqlite3.connect(original.absolute().as_uri(), uri=True)) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        uri = f"{edited.absolute().as_uri()}?mode=ro"
        try:
            database.execute("ATTACH ? AS edited", (uri,))
            for layer in tables():
                found += _edits_of_layer(database, edited, layer, table)
        except sqlite3.Error as error:
            cure = "close it in other programs, or copy it again"
            raise UsageError(edited, f"cannot be read: {error}", cure) from error
    return found


def _edits_of_layer(database: sqlite3.Connection, edited: Path, layer: str, table: ClassTable) -> Iterator[Edit]:
    if not _is_comparable(database, edited, layer):
        return
    database.execute(f"CREATE INDEX IF NOT EXISTS main.{layer}_by_id ON {layer} (id)")
    database.execute("DROP TABLE IF EXISTS temp.seen")
    database.execute(f"CREATE TABLE temp.seen AS SELECT id, count(*) AS many FROM edited.{layer} GROUP BY id")
    database.execute("CREATE INDEX temp.seen_by_id ON seen (id)")
    changed, added = _changed(database, edited, layer)
    missing = "WHERE NOT EXISTS (SELECT 1 FROM temp.seen AS s WHERE s.id = t.id)"
    gone = list(_rows(database, edited, f"main.{layer} AS t", missing))
    gone, added = _without_twins(gone, added, changed)
    for name, (before, now) in sorted(changed.items()):
        (many,) = database.execute("SELECT coalesce(sum(many), 0) FROM temp.seen WHERE id = ?", (name,)).fetchone()
        yield from _of_feature(layer, before, now, table, stands=many > len(now))
    for row in gone:
        yield Edit(layer, row.id, "deleted", IS_NOT if _says(layer) else NOTHING, row.name, row.shape)
    for row in added:
        yield _added(layer, row, _class_name(row, None, layer, table))


def _without_twins(gone: list[_Row], added: list[_Row], changed: dict[str, Pair]) -> tuple[list[_Row], list[_Row]]:
    """Both without features that lie where they did, under no name or another one; those of another class changed."""
    by_box: dict[tuple[float, ...], list[_Row]] = {}
    for row in gone:
        by_box.setdefault(_box(row), []).append(row)
    new = []
    for row in added:
        twin = next((g for g in by_box.get(_box(row), ()) if g.like(row)), None)
        if twin is None:
            new.append(row)
            continue
        by_box[_box(row)].remove(twin)
        if (twin.name, twin.value) != (row.name, row.value):
            changed[twin.id] = ([twin], [row])
    return [row for rows in by_box.values() for row in rows], new


def _box(row: _Row) -> tuple[float, ...]:
    return tuple(round(v, 4) for v in row.shape.bounds)


def _is_comparable(database: sqlite3.Connection, edited: Path, layer: str) -> bool:
    """Whether both files hold a layer.

    Raises:
        UsageError: the edited one lacks columns, or lies in another CRS.
    """
    systems = []
    for name in ("main", "edited"):
        query = f"SELECT srs_id FROM {name}.gpkg_geometry_columns WHERE table_name = ? AND column_name = 'geom'"
        systems.append(database.execute(query, (layer,)).fetchone())
    if None in systems:
        return False
    if systems[0] != systems[1]:
        raise UsageError(edited, f"its layer {layer} has another coordinate system than the run", _COPY)
    columns = {row[1] for row in database.execute(f"PRAGMA edited.table_info({layer})")}
    if missing := sorted({"id", "class", "class_id"} - columns):
        raise UsageError(edited, f"its layer {layer} lacks {', '.join(missing)}", _COPY)
    return True


def _rows(
    database: sqlite3.Connection, edited: Path, source: str, where: str, values: Sequence[str] = ()
) -> Iterator[_Row]:
    query = f"SELECT id, class, class_id, geom FROM {source} {where}"
    for name, text, value, blob in database.execute(query, values):
        shape = shape_of(blob, edited)
        if shape is not None:
            yield _Row(str(name or ""), str(text or ""), value if isinstance(value, int) else None, shape)


def _changed(database: sqlite3.Connection, edited: Path, layer: str) -> tuple[dict[str, Pair], list[_Row]]:
    """Features that differ, by id: as they were, and as they are; and features that were not there."""
    same = (
        f"SELECT 1 FROM main.{layer} AS o WHERE o.id = t.id AND o.geom = t.geom AND o.class = t.class"
        " AND o.class_id = t.class_id"
    )
    changed: dict[str, Pair] = {}
    added = []
    for row in _rows(database, edited, f"edited.{layer} AS t", f"WHERE NOT EXISTS ({same}) ORDER BY id, geom"):
        before = list(_rows(database, edited, f"main.{layer} AS o", "WHERE id = ?", (row.id,))) if row.id else []
        if not before:
            added.append(row)
        elif not any(b.like(row) and (b.name, b.value) == (row.name, row.value) for b in before):
            changed.setdefault(row.id, (before, []))[1].append(row)
    return changed, added


def _of_feature(layer: str, before: list[_Row], now: list[_Row], table: ClassTable, *, stands: bool) -> Iterator[Edit]:
    """What the edits of one feature say; `stands`: it is also still there as it was, so these are copies of it."""
    was, old = before[0], _area(shapely.union_all([b.shape for b in before]))
    if stands:
        for row in now:
            yield _added(layer, row, _class_name(row, was, layer, table))
        return
    rest = old
    for row in now:
        name, shape = _class_name(row, was, layer, table), _area(row.shape)
        if name != was.name:
            yield Edit(layer, was.id, "reclassified", _says(layer), name, shape)
        else:
            gained = shape if _is_object(was.name, table) else _area(shape.difference(old))
            if not gained.is_empty:
                yield Edit(layer, was.id, "moved", _says(layer), name, gained)
        rest = _area(rest.difference(shape))
    if not rest.is_empty and rest.area > NEAR:
        yield Edit(layer, was.id, "moved", IS_NOT if _says(layer) else NOTHING, was.name, rest)


def _added(layer: str, row: _Row, name: str) -> Edit:
    shape = _area(row.shape)
    return Edit(layer, mark_of(shape), "added", _says(layer) if name else NOTHING, name, shape)


def mark_of(shape: shapely.Geometry) -> str:
    """Names what somebody has drawn, by its shape."""
    return "added_" + hashlib.sha256(shapely.to_wkb(shape.normalize())).hexdigest()[:12]


def _says(layer: str) -> str:
    """What ground a feature of a layer stands for: lines and points stand for none."""
    return IS if tables()[layer].geometry == "Polygon" else NOTHING


def _is_object(name: str, table: ClassTable) -> bool:
    """Whether a class comes in single things: who moves an outline of one has looked at all of it."""
    return any(c.name == name and ROLES[c.role].objects for c in table.classes)


def _area(shape: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a shape, valid; lines and points as they are."""
    if shape.geom_type in ("Point", "LineString", "MultiPoint", "MultiLineString"):
        return shape
    valid = shapely.make_valid(shape)
    parts = [p for p in shapely.get_parts(valid, return_index=False) if p.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts)


def _class_name(row: _Row, was: _Row | None, layer: str, table: ClassTable) -> str:
    """The class that somebody means: of two columns the one that was changed; "" where none is told."""
    names = {c.value: c.name for c in table.classes}
    if was is not None and row.name == was.name and row.value != was.value and row.value in names:
        return names[row.value]
    if row.name:
        return row.name
    if row.value in names:
        return names[row.value]
    if was is not None:
        return was.name
    own = [c.name for c in table.classes if c.role == role_of_table(layer)]
    return own[0] if len(own) == 1 else ""

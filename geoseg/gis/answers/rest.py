"""What somebody has changed in a map that is neither a verdict nor an edit, and so is kept only with the whole file.

edited GeoPackage, original -> attributes, geometries that were emptied, tables, columns, styles: named in words

Only whether a table differs is asked, so memory stays small.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from geoseg.errors import UsageError
from geoseg.layers import tables

__all__ = ["other_changes"]

_REVIEW = "review"
_ANSWERS = ("verdict", "should_be", "note")
_EDITED = ("class", "class_id", "geom")
_NAMES = ("fid", "id", "run_id")
_STYLES = "layer_styles"
_STYLE = ("f_table_name", "styleName", "styleQML", "styleSLD", "useAsDefault")
_HIDDEN = ("sqlite_", "gpkg_", "rtree_")
"""How tables begin that programs fill by themselves."""


def other_changes(edited: Path, original: Path) -> list[str]:
    """What differs besides answers and edits, such as `names in roads`; empty where nothing does.

    Args:
        edited: GeoPackage of somebody.
        original: the same as geoseg made it; it gets indices.

    Raises:
        UsageError: a file cannot be read.
    """
    try:
        with closing(sqlite3.connect(original.absolute().as_uri(), uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("ATTACH ? AS edited", (f"{edited.absolute().as_uri()}?mode=ro",))
            now, before = (_tables(database, name) for name in ("edited", "main"))
            found = [f"table {name}" for name in sorted(now ^ before)]
            for name in sorted(now & before):
                found += _of_table(database, name)
            return found
    except sqlite3.Error as error:
        cure = "close it in other programs, or copy it again"
        raise UsageError(edited, f"cannot be read: {error}", cure) from error


def _tables(database: sqlite3.Connection, schema: str) -> set[str]:
    names = database.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type IN ('table', 'view')")
    return {name for (name,) in names if not name.startswith(_HIDDEN)}


def _columns(database: sqlite3.Connection, schema: str, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA {schema}.table_info({_quoted(table)})")]


def _of_table(database: sqlite3.Connection, name: str) -> list[str]:
    now, before = (_columns(database, schema, name) for schema in ("edited", "main"))
    if different := sorted({*now} ^ {*before}):
        return [f"columns of {name}: {', '.join(different)}"]
    if name == _STYLES:
        return ["styles"] if _differ(database, name, _STYLE) else []
    if name not in {*tables(), _REVIEW} or "id" not in now:
        return [f"table {name}"] if _differ(database, name, [c for c in now if c != "fid"]) else []
    taken = _ANSWERS if name == _REVIEW else _EDITED
    database.execute(f"CREATE INDEX IF NOT EXISTS main.{_quoted(f'{name}_by_id')} ON {_quoted(name)} (id)")
    return _of_features(database, name, [c for c in now if c not in (*taken, *_NAMES)])


def _differ(database: sqlite3.Connection, name: str, columns: tuple[str, ...] | list[str]) -> bool:
    """Whether a table without ids holds other rows than before."""
    listed = ", ".join(_quoted(c) for c in columns)
    rows = [f"SELECT {listed} FROM {schema}.{_quoted(name)}" for schema in ("edited", "main")]
    return any(_is_some(database, f"{a} EXCEPT {b}") for a, b in (rows, rows[::-1]))


def _of_features(database: sqlite3.Connection, name: str, others: list[str]) -> list[str]:
    """What differs in a layer: attributes of features that are known, or that new ones have; features without place."""
    table = _quoted(name)
    there = f"FROM edited.{table} AS e WHERE"
    known = f"EXISTS (SELECT 1 FROM main.{table} AS o WHERE o.id = e.id)"
    attributes = [c for c in others if c != "geom"]
    same = "".join(f" AND o.{c} IS e.{c}" for c in map(_quoted, others))
    changed = f"SELECT 1 {there} {known} AND NOT EXISTS (SELECT 1 FROM main.{table} AS o WHERE o.id = e.id{same})"
    filled = " OR ".join(f"e.{_quoted(c)} IS NOT NULL" for c in attributes) or "0"
    found = []
    if _is_some(database, changed) or _is_some(database, f"SELECT 1 {there} NOT {known} AND ({filled})"):
        found.append(f"attributes of {name}")
    empty = f"SELECT 1 {there} e.geom IS NULL"
    if _is_some(database, empty):
        found.append(f"features of {name} without a place")
    silent = " AND ".join(f"e.{c} IS NULL" for c in _ANSWERS)
    if name == _REVIEW and _is_some(database, f"SELECT 1 {there} NOT {known} AND {silent}"):
        found.append("places without a verdict")
    return found


def _is_some(database: sqlite3.Connection, query: str) -> bool:
    return database.execute(f"SELECT 1 FROM ({query}) LIMIT 1").fetchone() is not None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

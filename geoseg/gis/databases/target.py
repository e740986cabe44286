"""Where layers go in a database, and the marks by which geoseg knows again what it wrote there.

The comment of a schema names the outputs, their run, what they are made from, and the tables; that of each table ends
with the same key. So a schema of another run, and a table that a person has put there, renamed or made anew, are told
from what the last write made. Comments come along when a database is dumped and restored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from geoseg.errors import EnvironmentFault, UsageError
from geoseg.gis.databases.connection import OPTION, SERVER, connection, one_value, refusals, schema_of

__all__ = ["Mark", "Target", "check_names", "check_owner", "holds", "mark_of", "own_tables", "table_comment"]

_MARK = re.compile(r"geoseg (?P<name>.*) run (?P<run>\S+) key (?P<key>\S+) tables (?P<tables>\S*)", re.DOTALL)
_LOOK = """SELECT obj_description(n.oid, 'pg_namespace'),
  (SELECT json_object_agg(relname, obj_description(c.oid, 'pg_class'))
  FROM pg_class c WHERE relnamespace = n.oid AND relkind = 'r')
 FROM pg_namespace n WHERE nspname = %s"""
_OTHERS = """SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
 WHERE nspname = %s AND relname = ANY(%s) AND NOT relname = ANY(%s) ORDER BY relname"""
_FOREIGN = """SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
 WHERE nspname = %s AND relname = ANY(%s) AND NOT pg_has_role(relowner, 'USAGE')"""


@dataclass(frozen=True)
class Target:
    """Where layers go: name of the outputs, CRS (WKT), the key of what they are made from, and the run's identity."""

    name: str
    crs: str
    key: str
    run: str

    @property
    def schema(self) -> str:
        """The schema's name; UsageError where the outputs' name gives none."""
        return schema_of(self.name)

    @property
    def srid(self) -> int:
        """The number by which PostGIS knows the CRS.

        Raises:
            UsageError: it has none.
        """
        from pyproj import CRS  # a night that has nothing to do needs none

        code = CRS.from_wkt(self.crs).to_epsg() if self.crs else None
        if code is None:
            cure = "plan the run on one that has: geoseg tile --crs EPSG:..."
            raise UsageError(OPTION, "the CRS of the grid has no EPSG number, by which PostGIS knows it", cure)
        return int(code)


@dataclass(frozen=True)
class Mark:
    """What the comment of a schema says: name of the outputs, identity of the run, key, and tables."""

    name: str
    run: str
    key: str
    tables: tuple[str, ...]

    def __str__(self) -> str:
        return f"geoseg {self.name} run {self.run} key {self.key} tables {','.join(self.tables)}"


def mark_of(comment: str | None) -> Mark | None:
    """The mark out of a schema's comment; None where geoseg did not write it.

    Example:
        >>> mark_of(str(Mark("old town", "4f", "a7", ("cars", "roads"))))
        Mark(name='old town', run='4f', key='a7', tables=('cars', 'roads'))
    """
    found = _MARK.fullmatch(comment or "")
    if found is None:
        return None
    return Mark(found["name"], found["run"], found["key"], tuple(t for t in found["tables"].split(",") if t))


def table_comment(description: str, key: str) -> str:
    """The comment of a table."""
    return f"{description} {_seal(key)}"


def _seal(key: str) -> str:
    """How the comment of a table ends."""
    return f"(geoseg {key[:12]})"


def holds(target: Target) -> bool:
    """Whether the database has these very layers already, of this run; one query.

    Raises:
        EnvironmentFault: no server answers.
    """
    with refusals("cannot be asked"), connection() as server:
        mark, own = _look(server, target.schema)
    asked = target.name, target.run, target.key
    return mark is not None and (mark.name, mark.run, mark.key) == asked and set(own) == set(mark.tables)


def own_tables(server: Any, schema: str) -> list[str]:
    """Tables of a schema that the last write made and nobody has renamed or made anew, in the order of their names."""
    return _look(server, schema)[1]


def _look(server: Any, schema: str) -> tuple[Mark | None, list[str]]:
    """The mark of a schema, and those of its tables that are there as they were written."""
    row = server.execute(_LOOK, [schema]).fetchone()
    mark = mark_of(row[0]) if row else None
    if mark is None:
        return None, []
    comments = row[1] or {}
    return mark, [t for t in sorted(mark.tables) if (comments.get(t) or "").endswith(_seal(mark.key))]


def check_owner(server: Any, schema: str, name: str, run: str) -> None:
    """Raise where the schema is there, and this user did not write it for outputs of this name and run.

    Args:
        server: a `psycopg.Connection`.
        schema: the schema's name.
        name: of the outputs.
        run: identity of the run; "" for one that is still to be planned, which has written nothing.
    """
    if one_value(server, "SELECT to_regnamespace(%s)::oid", schema) is None:
        return
    cure, (mark, own) = "name the outputs otherwise with --name, or drop or rename that schema", _look(server, schema)
    if mark is None or mark.name != name:
        raise UsageError(OPTION, f"the database has a schema {schema} that is not of outputs named {name}", cure)
    if mark.run != run:
        what = f"the database has a schema {schema} that another run wrote, whose outputs are named {name}, too"
        raise UsageError(OPTION, what, f"{cure} if that run is gone")
    if not one_value(server, "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = %s", schema):
        cure = "write as its owner (PGUSER), or have the schema and its tables given to this user"
        raise EnvironmentFault(SERVER, f"schema {schema} belongs to another user", cure)
    if one_value(server, _FOREIGN, schema, own):
        cure = "write as their owner (PGUSER), or have them given to this user"
        raise EnvironmentFault(SERVER, f"tables of schema {schema} belong to another user", cure)


def check_names(server: Any, schema: str, tables: list[str]) -> None:
    """Raise where something else in the schema bears the name of a table that is to be written."""
    rows = server.execute(_OTHERS, [schema, tables, own_tables(server, schema)]).fetchall()
    if rows:
        names = ", ".join(name for (name,) in rows)
        what = f"schema {schema} holds {names}, which geoseg did not write or somebody has changed since"
        cure = "rename it or move it to another schema, or write under another --name"
        raise UsageError(OPTION, what, cure)

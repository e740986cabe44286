"""Feature layers as tables of PostGIS: a new schema that takes the place of the old one at once.

one transaction: schema NAME_new -> tables, filled -> keys, indices, comments, styles -> NAME away, NAME_new is NAME

Whoever reads sees the old schema or the new one, whole. If anything fails or is killed, the server undoes all of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import pandas
import pyogrio
import shapely
from pyproj import CRS

from geoseg.errors import Busy, EnvironmentFault, UsageError
from geoseg.gis.columns import COLUMNS
from geoseg.gis.databases.connection import OPTION, SERVER, connection, refusals, schema_of
from geoseg.gis.databases.styles import can_keep_styles, write_styles
from geoseg.gis.geopackage import Layer

__all__ = ["Target", "check_database", "check_server", "holds", "write_database"]

BATCH = 50_000
"""Features that are held in memory at a time."""
PATIENCE = 60.0
"""Seconds to wait until nobody reads the old tables."""
_KINDS: dict[str, tuple[str, type]] = {
    "bool": ("boolean", bool),
    "int16": ("integer", int),
    "int32": ("integer", int),
    "int64": ("bigint", int),
    "float32": ("double precision", float),
    "float64": ("double precision", float),
}
"""Type in the database, and in Python, of each type of a GeoPackage's column; all others are text."""


@dataclass(frozen=True)
class Target:
    """Where layers go: name of the outputs, CRS (WKT), and the key of what they are made from."""

    name: str
    crs: str
    key: str

    @property
    def schema(self) -> str:
        """The schema's name; UsageError where the outputs' name gives none."""
        return schema_of(self.name)

    @property
    def mark(self) -> str:
        """Comment of the schema."""
        return f"{_owner(self.name)}{self.key}"

    @property
    def srid(self) -> int:
        """The number by which PostGIS knows the CRS.

        Raises:
            UsageError: it has none.
        """
        code = CRS.from_wkt(self.crs).to_epsg() if self.crs else None
        if code is None:
            cure = "plan the run on one that has: geoseg tile --crs EPSG:..."
            raise UsageError(OPTION, "the CRS of the grid has no EPSG number, by which PostGIS knows it", cure)
        return int(code)


def _owner(name: str) -> str:
    """How the comment of a schema begins that geoseg wrote for outputs of a name."""
    return f"geoseg {name} "


def check_server(name: str) -> None:
    """Check that a schema for outputs of a name can be written, before anything is computed.

    Raises:
        EnvironmentFault: no server answers, it has no PostGIS, or this user may make no schema.
        UsageError: the name gives no schema, or one that something else has made.
    """
    schema = schema_of(name)
    with refusals("cannot be asked"), connection() as server:
        if _one(server, "SELECT true FROM pg_extension WHERE extname = 'postgis'") is None:
            raise EnvironmentFault(SERVER, "the database has no PostGIS", "CREATE EXTENSION postgis; as its owner")
        if not _one(server, "SELECT has_database_privilege(current_database(), 'CREATE')"):
            cure = "GRANT CREATE ON DATABASE ... TO this user"
            raise EnvironmentFault(SERVER, "this user may make no schema in the database", cure)
        _check_owner(server, schema, name)
        if not can_keep_styles(server):
            cure = "GRANT USAGE, CREATE ON SCHEMA public TO this user; and rights on public.layer_styles where it is"
            raise EnvironmentFault(SERVER, "this user may not write styles to public.layer_styles", cure)


def check_database(target: Target) -> None:
    """As `check_server`, and that the server knows the CRS.

    Raises:
        EnvironmentFault, UsageError: as of `check_server`; or the CRS has no number, or the server does not know it.
    """
    srid = target.srid
    check_server(target.name)
    with refusals("cannot be asked"), connection() as server:
        server.execute(_path_to_postgis(server))
        if _one(server, "SELECT true FROM spatial_ref_sys WHERE srid = %s", srid) is None:
            cure = "add it to the table spatial_ref_sys, or plan on another: geoseg tile --crs EPSG:..."
            raise EnvironmentFault(SERVER, f"PostGIS does not know EPSG:{srid}", cure)


def holds(target: Target) -> bool:
    """Whether the database has these very layers already.

    Raises:
        EnvironmentFault: no server answers.
    """
    with refusals("cannot be asked"), connection() as server:
        return _comment(server, target.schema) == target.mark


def write_database(target: Target, path: Path, layers: list[Layer]) -> None:
    """Write layers of a GeoPackage as tables, in the place of those that were there.

    Args:
        target: where to.
        path: the GeoPackage.
        layers: names, geometry types, styles and descriptions; their features do not count.

    Raises:
        Busy: another geoseg writes there, or the old tables are read for longer than a minute.
        EnvironmentFault: the server refuses something.
        UsageError: the schema is not geoseg's.
    """
    schema, fresh = target.schema, f"{target.schema}_new"
    with refusals(f"schema {schema} cannot be written"), connection() as server:
        if not _one(server, "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", f"geoseg {schema}"):
            raise Busy(SERVER, f"another geoseg writes schema {schema}", "run the same command again later")
        _check_owner(server, schema, target.name)
        server.execute(_path_to_postgis(server))
        _do(server, "CREATE SCHEMA {}", _name(fresh))
        _do(server, "COMMENT ON SCHEMA {} IS {}", _name(fresh), _text(target.mark))
        for layer in layers:
            _write_table(server, _name(fresh, layer.name), path, layer, target.srid)
        write_styles(server, schema, layers)
        _switch(server, schema, fresh)


def _write_table(server: Any, table: Any, path: Path, layer: Layer, srid: int) -> None:
    """Make and fill one table, and all that belongs to it."""
    facts = pyogrio.read_info(path, layer=layer.name, force_feature_count=True)
    kinds = {
        str(name): _KINDS.get(str(kind), ("text", str))
        for name, kind in zip(facts["fields"], facts["dtypes"], strict=True)
    }
    columns = [_sql("{} " + kind, _name(name)) for name, (kind, _) in kinds.items()]
    columns.append(_sql(f"geom geometry({layer.geometry_type}, {srid})"))
    _do(server, "CREATE TABLE {} ({})", table, _listed(columns))
    copy = _sql("COPY {} ({}, geom) FROM STDIN", table, _listed([_name(n) for n in kinds]))
    with server.cursor() as cursor, cursor.copy(copy) as rows:
        for frame in _batches(path, layer.name, int(facts["features"])):
            for row in _rows(frame, kinds, srid):
                rows.write_row(row)
    if "id" in kinds:
        _do(server, "ALTER TABLE {} ADD PRIMARY KEY (id)", table)
    _do(server, "CREATE INDEX ON {} USING gist (geom)", table)
    _do(server, "COMMENT ON TABLE {} IS {}", table, _text(layer.description))
    for name in kinds:
        if name in COLUMNS:
            _do(server, "COMMENT ON COLUMN {}.{} IS {}", table, _name(name), _text(COLUMNS[name].text))
    _do(server, "ANALYZE {}", table)
    count = _one(server, _sql("SELECT count(*) FROM {}", table))
    if count != facts["features"]:
        what = f"holds {count} of {facts['features']} features of {layer.name} after writing"
        raise EnvironmentFault(SERVER, what, "run the same command again")


def _batches(path: Path, layer: str, count: int) -> Iterator[geopandas.GeoDataFrame]:
    for first in range(0, count, BATCH):
        yield pyogrio.read_dataframe(path, layer=layer, skip_features=first, max_features=BATCH)


def _rows(frame: geopandas.GeoDataFrame, kinds: dict[str, tuple[str, type]], srid: int) -> Iterator[tuple[object, ...]]:
    """Each feature as a row; geometries as well-known binary with the CRS."""
    values = [
        [None if empty else kind(value) for value, empty in zip(frame[name], pandas.isna(frame[name]), strict=True)]
        for name, (_, kind) in kinds.items()
    ]
    shapes = shapely.to_wkb(shapely.set_srid(frame.geometry.to_numpy(), srid), hex=True, include_srid=True)
    return zip(*values, shapes, strict=True)


def _switch(server: Any, schema: str, fresh: str) -> None:
    """Drop the old schema and give its name to the new one; who reads the old tables is waited for.

    Each try gives up before the server would look for a deadlock, and so never costs a reader its query.
    """
    from psycopg import errors

    end = time.monotonic() + PATIENCE
    server.execute("SET LOCAL lock_timeout = '500ms'")
    while True:
        try:
            with server.transaction():
                for table in _tables(server, schema):
                    _do(server, "DROP TABLE {}", _name(schema, table))
                _do(server, "DROP SCHEMA IF EXISTS {}", _name(schema))  # not CASCADE: what is not ours stays
                _do(server, "ALTER SCHEMA {} RENAME TO {}", _name(fresh), _name(schema))
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() > end:
                what = f"the tables of schema {schema} are being read for more than {PATIENCE:g} s"
                raise Busy(SERVER, what, "run the same command again later") from None
            time.sleep(0.2)
        except errors.DependentObjectsStillExist:
            what = f"views or tables of others depend on schema {schema}, or lie in it"
            cure = "drop them first and make them again afterwards, or write under another --name"
            raise EnvironmentFault(SERVER, what, cure) from None


def _check_owner(server: Any, schema: str, name: str) -> None:
    """Raise where a schema of this name is there that was not written for outputs of this name by this user."""
    for one in (schema, f"{schema}_new"):
        if _one(server, "SELECT to_regnamespace(%s)::oid", one) is None:
            continue
        if one != schema or not (_comment(server, one) or "").startswith(_owner(name)):
            what = f"the database has a schema {one} that is not of outputs named {name}"
            raise UsageError(OPTION, what, "name the outputs otherwise with --name, or drop or rename that schema")
        if not _one(server, "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = %s", one):
            cure = "write as its owner (PGUSER), or have the schema and its tables given to this user"
            raise EnvironmentFault(SERVER, f"schema {one} belongs to another user", cure)


def _comment(server: Any, schema: str) -> str | None:
    """The comment of a schema; None where there is no schema, or no comment."""
    found = _one(server, "SELECT obj_description(to_regnamespace(%s)::oid, 'pg_namespace')", schema)
    return None if found is None else str(found)


def _tables(server: Any, schema: str) -> list[str]:
    """Tables of a schema that bear the name of a layer, in the order of their names."""
    from geoseg.layers import tables

    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename"
    return [name for (name,) in server.execute(query, [schema]).fetchall() if name in tables()]


def _path_to_postgis(server: Any) -> Any:
    """A statement by which types and functions of PostGIS are found, in whatever schema they lie."""
    query = "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'postgis'"
    return _sql("SET LOCAL search_path TO {}", _name(str(_one(server, query))))


def _one(server: Any, query: Any, *values: object) -> Any:
    """The first value of the first row; None where there is none."""
    row = server.execute(query, values).fetchone()
    return None if row is None else row[0]


def _do(server: Any, statement: str, *parts: Any) -> None:
    server.execute(_sql(statement, *parts))


def _sql(statement: str, *parts: Any) -> Any:
    from psycopg import sql

    return sql.SQL(statement).format(*parts)


def _listed(parts: list[Any]) -> Any:
    from psycopg import sql

    return sql.SQL(", ").join(parts)


def _name(*names: str) -> Any:
    from psycopg import sql

    return sql.Identifier(*names)


def _text(text: str) -> Any:
    from psycopg import sql

    return sql.Literal(text)

"""Feature layers as tables of PostGIS: new tables that take the place of the old ones at once.

one transaction: a new schema -> tables, filled -> keys, indices, comments, styles -> old ones away, new ones to NAME

Whoever reads sees the old tables or the new ones, whole. If anything fails or is killed, the server undoes all of it.
What others have put into the schema, and their rights on it, stay.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pandas
import pyogrio
import shapely

from geoseg.errors import Busy, EnvironmentFault
from geoseg.gis.columns import COLUMNS
from geoseg.gis.databases.connection import SERVER, connection, one_value, refusals, schema_of
from geoseg.gis.databases.styles import make_style_table, rights_for_styles, write_styles
from geoseg.gis.databases.target import Mark, Target, check_names, check_owner, own_tables, table_comment
from geoseg.gis.geopackage import Layer

__all__ = ["check_database", "check_server", "write_database"]

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


def check_server(name: str, run: str) -> None:
    """Check that a schema for outputs of a name can be written, before anything is computed.

    Args:
        name: of the outputs.
        run: identity of the run, "" for one that is still to be planned.

    Raises:
        EnvironmentFault: no server answers, it has no PostGIS, or this user may make no schema.
        UsageError: the name gives no schema, or one that something else or another run has made.
    """
    schema = schema_of(name)
    with refusals("cannot be asked"), connection() as server:
        if one_value(server, "SELECT true FROM pg_extension WHERE extname = 'postgis'") is None:
            raise EnvironmentFault(SERVER, "the database has no PostGIS", "CREATE EXTENSION postgis; as its owner")
        if not one_value(server, "SELECT has_database_privilege(current_database(), 'CREATE')"):
            cure = "GRANT CREATE ON DATABASE ... TO this user"
            raise EnvironmentFault(SERVER, "this user may make no schema in the database", cure)
        check_owner(server, schema, name, run)
        if lacks := rights_for_styles(server):
            raise EnvironmentFault(SERVER, "this user may not write styles to public.layer_styles", lacks)


def check_database(target: Target, tables: list[str]) -> None:
    """As `check_server`, and that the server knows the CRS, and nothing else bears the name of a table to be written.

    Raises:
        EnvironmentFault, UsageError: as of `check_server`; or the CRS has no number, the server does not know it, or a
            name is taken.
    """
    srid = target.srid
    check_server(target.name, target.run)
    with refusals("cannot be asked"), connection() as server:
        check_names(server, target.schema, tables)
        server.execute(_path_to_postgis(server))
        if one_value(server, "SELECT true FROM spatial_ref_sys WHERE srid = %s", srid) is None:
            cure = "add it to the table spatial_ref_sys, or plan on another: geoseg tile --crs EPSG:..."
            raise EnvironmentFault(SERVER, f"PostGIS does not know EPSG:{srid}", cure)


def write_database(target: Target, path: Path, layers: list[Layer]) -> None:
    """Write layers of a GeoPackage as tables, in the place of those that were there.

    Args:
        target: where to.
        path: the GeoPackage.
        layers: names, geometry types, styles and descriptions; their features do not count.

    Raises:
        Busy: another geoseg writes there, or the old tables are read for longer than a minute.
        EnvironmentFault: the server refuses something.
        UsageError: the schema is not this run's, or holds something else of a layer's name.
    """
    schema, fresh = target.schema, f"geoseg_new_{uuid.uuid4().hex[:12]}"  # a name that nobody else has
    names = sorted(layer.name for layer in layers)
    with refusals(f"schema {schema} cannot be written"), connection() as server:
        make_style_table(server)
        if not one_value(server, "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", f"geoseg {schema}"):
            raise Busy(SERVER, f"another geoseg writes schema {schema}", "run the same command again later")
        check_owner(server, schema, target.name, target.run)
        check_names(server, schema, names)
        server.execute(_path_to_postgis(server))
        _do(server, "CREATE SCHEMA {}", _name(fresh))
        for layer in layers:
            _write_table(server, fresh, path, layer, target)
        write_styles(server, schema, layers, own_tables(server, schema))
        _do(server, "CREATE SCHEMA IF NOT EXISTS {}", _name(schema))
        _switch(server, schema, fresh, names)
        mark = Mark(target.name, target.run, target.key, tuple(names))
        _do(server, "COMMENT ON SCHEMA {} IS {}", _name(schema), _text(str(mark)))


def _write_table(server: Any, schema: str, path: Path, layer: Layer, target: Target) -> None:
    """Make and fill one table, and all that belongs to it.

    Its indices have names that no other table has had: who renames a table to keep it keeps the names of its indices.
    """
    table, unique, srid = _name(schema, layer.name), f"{layer.name}_{uuid.uuid4().hex[:8]}", target.srid
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
        _do(server, "ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY (id)", table, _name(f"{unique}_pkey"))
    _do(server, "CREATE INDEX {} ON {} USING gist (geom)", _name(f"{unique}_geom"), table)
    _do(server, "COMMENT ON TABLE {} IS {}", table, _text(table_comment(layer.description, target.key)))
    for name in kinds:
        if name in COLUMNS:
            _do(server, "COMMENT ON COLUMN {}.{} IS {}", table, _name(name), _text(COLUMNS[name].text))
    _do(server, "ANALYZE {}", table)
    count = one_value(server, _sql("SELECT count(*) FROM {}", table))
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


def _switch(server: Any, schema: str, fresh: str, names: list[str]) -> None:
    """Drop the tables of the last write and put the new ones in their place; who reads the old ones is waited for.

    Each try gives up before the server would look for a deadlock, and so never costs a reader its query.
    """
    from psycopg import errors

    end = time.monotonic() + PATIENCE
    server.execute("SET LOCAL lock_timeout = '500ms'")
    while True:
        try:
            with server.transaction():
                for table in own_tables(server, schema):
                    _do(server, "DROP TABLE {}", _name(schema, table))  # not CASCADE: what is not ours stays
                for table in names:
                    _do(server, "ALTER TABLE {} SET SCHEMA {}", _name(fresh, table), _name(schema))
                _do(server, "DROP SCHEMA {}", _name(fresh))
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() > end:
                what = f"the tables of schema {schema} are being read for more than {PATIENCE:g} s"
                raise Busy(SERVER, what, "run the same command again later") from None
            time.sleep(0.2)
        except errors.DependentObjectsStillExist:
            what = f"views or tables of others depend on the tables of schema {schema}"
            cure = "drop them first and make them again afterwards, or write under another --name"
            raise EnvironmentFault(SERVER, what, cure) from None


def _path_to_postgis(server: Any) -> Any:
    """A statement by which types and functions of PostGIS are found, in whatever schema they lie."""
    query = "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'postgis'"
    return _sql("SET LOCAL search_path TO {}", _name(str(one_value(server, query))))


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

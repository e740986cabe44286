"""Styles of tables in PostgreSQL, where QGIS looks for them: public.layer_styles, as QGIS itself would make it."""

from __future__ import annotations

from typing import Any

from geoseg.gis.columns import with_aliases
from geoseg.gis.databases.connection import one_value
from geoseg.gis.geopackage import Layer

__all__ = ["make_style_table", "rights_for_styles", "write_styles"]

_TABLE = """SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE nspname = 'public' AND relname = 'layer_styles'"""
_RIGHTS = """SELECT has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'), c.oid IS NOT NULL,
 has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'DELETE'),
 (SELECT string_agg(s.oid::regclass::text, ', ') FROM pg_depend d JOIN pg_class s ON s.oid = objid AND s.relkind = 'S'
  WHERE d.refobjid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass
   AND d.deptype = 'a' AND NOT has_sequence_privilege(s.oid, 'USAGE, UPDATE'))
 FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'layer_styles'
 WHERE nspname = 'public'"""
_MAKE = """CREATE TABLE public.layer_styles (id serial PRIMARY KEY, f_table_catalog varchar,
 f_table_schema varchar, f_table_name varchar, f_geometry_column varchar, stylename text, styleqml xml, stylesld xml,
 useasdefault boolean, description text, owner varchar(63) DEFAULT CURRENT_USER, ui xml,
 update_time timestamp DEFAULT CURRENT_TIMESTAMP, type varchar NULL)"""
_REMOVE = """DELETE FROM public.layer_styles WHERE f_table_catalog = current_database() AND f_table_schema = %s
 AND stylename = f_table_name AND f_table_name = ANY(%s)"""
_ADD = """INSERT INTO public.layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, stylename,
 styleqml, useasdefault, description)
 SELECT current_database(), %(schema)s::text, %(table)s::text, 'geom', %(table)s::text,
  XMLPARSE(DOCUMENT %(qml)s::text), NOT EXISTS (SELECT FROM public.layer_styles
   WHERE f_table_catalog = current_database() AND f_table_schema = %(schema)s::text AND f_table_name = %(table)s::text
   AND useasdefault), %(description)s::text"""


def rights_for_styles(server: Any) -> str:
    """What must be granted until this user can write styles, as SQL; "" where nothing lacks.

    A table that is there takes no right to make one, but that to use the sequence of its numbers.

    Args:
        server: a `psycopg.Connection`.
    """
    row = server.execute(_RIGHTS).fetchone()
    if row is None:
        return "CREATE SCHEMA public"
    use, make, there, write, sequences = row
    lacks = {
        "USAGE ON SCHEMA public": not use,
        "CREATE ON SCHEMA public": not there and not make,
        "SELECT, INSERT, DELETE ON public.layer_styles": there and not write,
        f"USAGE ON SEQUENCE {sequences}": there and sequences is not None,
    }
    return "; ".join(f"GRANT {right} TO this user" for right, missing in lacks.items() if missing)


def make_style_table(server: Any) -> None:
    """Make the table of styles if there is none, and commit it, so that nobody waits for this user's transaction.

    Two who make it at once: one waits for the other, and then finds its table.

    Args:
        server: a `psycopg.Connection`, outside of a transaction.

    Raises:
        psycopg.Error: the server refuses it.
    """
    from psycopg import errors

    try:
        with server.transaction():
            if one_value(server, _TABLE) is None:
                server.execute(_MAKE)
    except (errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject):
        if one_value(server, _TABLE) is None:
            raise
        server.commit()


def write_styles(server: Any, schema: str, layers: list[Layer], gone: list[str]) -> None:
    """Replace the styles of a schema's tables; one that somebody saved as default under another name stays the default.

    Args:
        server: a `psycopg.Connection`, in a transaction.
        schema: of the tables.
        layers: their names, styles, columns and descriptions.
        gone: tables whose styles go with them.

    Raises:
        psycopg.Error: the server refuses it.
    """
    server.execute(_REMOVE, [schema, [*gone, *(layer.name for layer in layers)]])
    for layer in layers:
        qml = with_aliases(layer.qml, layer.frame.columns)
        values = {"schema": schema, "table": layer.name, "qml": qml, "description": layer.description}
        server.execute(_ADD, values)

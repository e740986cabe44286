"""Styles of tables in PostgreSQL, where QGIS looks for them: public.layer_styles, as QGIS itself would make it."""

from __future__ import annotations

from typing import Any

from geoseg.gis.columns import with_aliases
from geoseg.gis.geopackage import Layer

__all__ = ["can_keep_styles", "write_styles"]

_CAN_MAKE = """SELECT CASE WHEN to_regclass('public.layer_styles') IS NULL
 THEN has_schema_privilege('public', 'USAGE') AND has_schema_privilege('public', 'CREATE')
 ELSE has_table_privilege('public.layer_styles', 'SELECT')
  AND has_table_privilege('public.layer_styles', 'INSERT')
  AND has_table_privilege('public.layer_styles', 'DELETE') END"""
_MAKE = """CREATE TABLE IF NOT EXISTS public.layer_styles (id serial PRIMARY KEY, f_table_catalog varchar,
 f_table_schema varchar, f_table_name varchar, f_geometry_column varchar, stylename text, styleqml xml, stylesld xml,
 useasdefault boolean, description text, owner varchar(63) DEFAULT CURRENT_USER, ui xml,
 update_time timestamp DEFAULT CURRENT_TIMESTAMP, type varchar NULL)"""
_REMOVE = """DELETE FROM public.layer_styles WHERE f_table_catalog = current_database() AND f_table_schema = %s
 AND stylename = f_table_name"""
_ADD = """INSERT INTO public.layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, stylename,
 styleqml, useasdefault, description)
 SELECT current_database(), %(schema)s::text, %(table)s::text, 'geom', %(table)s::text,
  XMLPARSE(DOCUMENT %(qml)s::text), NOT EXISTS (SELECT FROM public.layer_styles
   WHERE f_table_catalog = current_database() AND f_table_schema = %(schema)s::text AND f_table_name = %(table)s::text
   AND useasdefault), %(description)s::text"""


def can_keep_styles(server: Any) -> bool:
    """Whether this user may write styles (`server`: a `psycopg.Connection`)."""
    return bool(server.execute(_CAN_MAKE).fetchone()[0])


def write_styles(server: Any, schema: str, layers: list[Layer]) -> None:
    """Replace the styles of a schema's tables; one that somebody saved as default under another name stays the default.

    Args:
        server: a `psycopg.Connection`, in a transaction.
        schema: of the tables.
        layers: their names, styles, columns and descriptions.

    Raises:
        psycopg.Error: the server refuses it.
    """
    server.execute(_MAKE)
    server.execute(_REMOVE, [schema])
    for layer in layers:
        qml = with_aliases(layer.qml, layer.frame.columns)
        values = {"schema": schema, "table": layer.name, "qml": qml, "description": layer.description}
        server.execute(_ADD, values)

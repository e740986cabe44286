"""GeoPackages that open styled in QGIS: layers, embedded styles, checked before they bear their name."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas
import pyogrio

from geoseg.errors import EnvironmentFault
from geoseg.io.commit import commit_file

__all__ = ["Layer", "write_geopackage"]


@dataclass(frozen=True)
class Layer:
    """One layer: its name, features (with CRS), geometry type, QML style and a description."""

    name: str
    frame: geopandas.GeoDataFrame
    qml: str
    description: str = ""
    geometry_type: str = "Polygon"


def write_geopackage(path: Path, layers: list[Layer], *, date: str = "2000-01-01T00:00:00.000Z") -> str:
    """Write and check a GeoPackage (version 1.2, R-trees, `layer_styles`); returns its SHA-256.

    Args:
        path: final name.
        layers: at least one.
        date: change date that goes into the file, so that equal features give equal bytes.

    Raises:
        EnvironmentFault: it could not be written, or what was written does not hold all features.
    """

    def write(temporary: Path) -> None:
        try:
            with pyogrio_date(date):
                for layer in layers:
                    _write_layer(temporary, layer)
            _write_styles(temporary, layers, date)
        except (RuntimeError, sqlite3.Error) as error:  # pyogrio's errors are RuntimeErrors
            raise EnvironmentFault(
                path, f"cannot be written: {error}", "free some disk space, then run it again"
            ) from error
        finally:
            for rest in temporary.parent.glob(temporary.name + "-*"):  # SQLite's journals
                rest.unlink(missing_ok=True)

    return commit_file(path, write, lambda temporary: _check(path, temporary, layers))


class pyogrio_date:
    """Sets the date that GDAL writes into GeoPackages, for the time of a `with` block."""

    def __init__(self, date: str) -> None:
        self.date = date

    def __enter__(self) -> None:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": self.date})

    def __exit__(self, *_: object) -> None:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _write_layer(path: Path, layer: Layer) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*different CRS.*")
        pyogrio.write_dataframe(
            layer.frame,
            path,
            layer=layer.name,
            driver="GPKG",
            geometry_type=layer.geometry_type,
            append=path.exists(),
            dataset_options={"VERSION": "1.2"},
            layer_options={"DESCRIPTION": layer.description, "GEOMETRY_NAME": "geom", "SPATIAL_INDEX": "YES"},
        )


def _write_styles(path: Path, layers: list[Layer], date: str) -> None:
    """The table in which QGIS looks for styles; schema must be '' and the geometry column right, or it finds none."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),"
            " f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30),"
            " styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),"
            " update_time DATETIME)"
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)"
            " VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
            (date,),
        )
        database.executemany(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName,"
            " styleQML, styleSLD, useAsDefault, description, owner, ui, update_time)"
            " VALUES ('', '', ?, 'geom', ?, ?, '', 1, ?, '', '', ?)",
            [(layer.name, layer.name[:30], layer.qml, layer.description, date) for layer in layers],
        )


def _check(path: Path, temporary: Path, layers: list[Layer]) -> None:
    """Integrity, R-trees and feature counts, read back; GDAL can leave a file without indices when the disk is full."""
    with closing(sqlite3.connect(temporary)) as database:
        if database.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise EnvironmentFault(path, "was damaged while it was written", "check the disk, then run it again")
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        for layer in layers:
            (count,) = database.execute(f'SELECT count(*) FROM "{layer.name}"').fetchone()
            if count != len(layer.frame) or f"rtree_{layer.name}_geom" not in tables:
                raise EnvironmentFault(
                    path,
                    f"layer {layer.name} holds {count} of {len(layer.frame)} features after writing",
                    "check the disk, then run it again",
                )

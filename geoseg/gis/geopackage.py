"""GeoPackages that open styled in QGIS: layers with embedded styles, checked before they bear their name."""

from __future__ import annotations

import sqlite3
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas
import pandas
import pyogrio

from geoseg.commit import disk_faults, scratch, settle
from geoseg.errors import EnvironmentFault
from geoseg.gis.columns import with_aliases, write_columns
from geoseg.gis.geopackage_logs import held_alone, held_as_kept

__all__ = ["GeoPackage", "Layer", "new_geopackage", "write_geopackage"]

DATE = "2000-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Layer:
    """One layer: its name, features (with CRS), geometry type, QML style and a description.

    `values`: all values that a column may have, where they are this layer's own.
    """

    name: str
    frame: geopandas.GeoDataFrame
    qml: str
    description: str = ""
    geometry_type: str = "Polygon"
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def write_geopackage(path: Path, layers: list[Layer], *, date: str = DATE) -> None:
    """Write and check a GeoPackage (version 1.2, R-trees, `layer_styles`).

    Args:
        path: final name.
        layers: at least one.
        date: change date that goes into the file, so that equal features give equal bytes.

    Raises:
        EnvironmentFault: it could not be written, or what was written does not hold all features.
    """
    with new_geopackage(path, date=date) as package:
        package.add(layers)
        package.commit()


def _nothing(path: Path) -> None:
    """Do nothing with a file."""


@contextmanager
def new_geopackage(
    path: Path,
    *,
    date: str = DATE,
    ready: Callable[[Path], None] = _nothing,
    keep: Callable[[Path], str] | None = None,
) -> Iterator[GeoPackage]:
    """A GeoPackage that is written a batch of features at a time.

    `GeoPackage.commit` gives it its name; without that nothing stays. `ready` is called just before, with the finished
    file under its temporary name; `keep` with the file that will be replaced (see `held_as_kept`).

    Raises:
        OpenElsewhere: another program has the file open that it would replace; better told before the work.
    """
    with held_alone(path):
        pass
    with scratch(path, path.suffix) as temporary:
        try:
            yield GeoPackage(path, temporary, date, ready, keep)
        finally:
            for rest in temporary.parent.glob(temporary.name + "-*"):  # SQLite's journals
                rest.unlink(missing_ok=True)


@dataclass
class GeoPackage:
    """A GeoPackage that is being written under a temporary name; see `new_geopackage`."""

    path: Path
    temporary: Path
    date: str
    ready: Callable[[Path], None] = _nothing
    keep: Callable[[Path], str] | None = None
    heads: dict[str, Layer] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    tables: Counter[str] = field(default_factory=Counter)

    def add(self, layers: list[Layer]) -> None:
        """Write the features of some layers; all batches hold the same layers.

        Raises:
            EnvironmentFault: it cannot be written, for instance because the disk is full.
        """
        with self._faults(), _settings(self.date):
            for layer in layers:
                if len(layer.frame) or layer.name not in self.heads:
                    _write_layer(self.temporary, layer)
                self.counts[layer.name] += len(layer.frame)
                self.heads.setdefault(layer.name, replace(layer, frame=layer.frame.iloc[:0]))

    def rows(self, query: str) -> geopandas.GeoDataFrame:
        """The answer to an SQL query of what was added so far."""
        with self._faults():
            return pyogrio.read_dataframe(self.temporary, sql=query)

    def add_table(self, name: str, frame: pandas.DataFrame, description: str = "") -> None:
        """Write a table without geometry, once.

        Raises:
            EnvironmentFault: it cannot be written, for instance because the disk is full.
        """
        with self._faults(), _settings(self.date):
            pyogrio.write_dataframe(
                frame,
                self.temporary,
                layer=name,
                driver="GPKG",
                append=self.temporary.exists(),
                dataset_options={"VERSION": "1.2"},
                layer_options={"DESCRIPTION": description},
            )
        self.tables[name] += len(frame)

    def commit(self) -> None:
        """Write the styles, check the whole file, and give it its name.

        Raises:
            EnvironmentFault: it does not hold all features, or has no index.
        """
        with self._faults():
            _describe(self.temporary, list(self.heads.values()), self.date)
        with held_as_kept(self.path, self.keep) if self.keep else held_alone(self.path):
            settle(self.temporary, self.path, self._finish)

    def _finish(self, temporary: Path) -> None:
        """Check the file, then show it to who waits for it."""
        _check(self.path, temporary, self.counts, self.tables)
        self.ready(temporary)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with disk_faults(self.path):
                yield
        except (RuntimeError, sqlite3.Error) as error:  # pyogrio's errors are RuntimeErrors
            cure = "free some disk space, then run it again"
            raise EnvironmentFault(self.path, f"cannot be written: {error}", cure) from error


@contextmanager
def _settings(date: str) -> Iterator[None]:
    """Tell GDAL, while it writes, which date goes into the file, and that SQLite needs to keep no journal.

    The temporary file is synced as a whole and only then gets its name; syncing each step would take several times
    longer.
    """
    options = {"OGR_CURRENT_DATE": date, "OGR_SQLITE_JOURNAL": "MEMORY", "OGR_SQLITE_SYNCHRONOUS": "OFF"}
    pyogrio.set_gdal_config_options(options)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(dict.fromkeys(options))


def _write_layer(path: Path, layer: Layer) -> None:
    """Append the features of a layer."""
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


_STYLE_TABLE = """CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
 f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT,
 styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME)""".replace(
    "\n", ""
)
_LIST_TABLE = """INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)
 VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)""".replace("\n", "")
_ADD_STYLE = """INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName,
 styleQML, styleSLD, useAsDefault, description, owner, ui, update_time)
 VALUES ('', '', ?, 'geom', ?, ?, '', 1, ?, '', '', ?)""".replace("\n", "")


def _describe(path: Path, layers: list[Layer], date: str) -> None:
    """Write the table in which QGIS looks for styles, and what the columns mean.

    The schema must be '' and the geometry column right, or QGIS finds none.
    """
    rows = [
        (layer.name, layer.name[:30], with_aliases(layer.qml, layer.frame.columns), layer.description, date)
        for layer in layers
    ]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_STYLE_TABLE)
        database.execute(_LIST_TABLE, (date,))
        database.executemany(_ADD_STYLE, rows)
        own = {(layer.name, column): values for layer in layers for column, values in layer.values.items()}
        write_columns(database, {layer.name: layer.frame.columns for layer in layers}, own)


def _check(path: Path, temporary: Path, counts: Mapping[str, int], plain: Mapping[str, int]) -> None:
    """Integrity, R-trees and feature counts, read back; GDAL can leave a file without indices when the disk is full."""
    with closing(sqlite3.connect(temporary)) as database:
        if database.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise EnvironmentFault(path, "was damaged while it was written", "check the disk, then run it again")
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        for name, expected in {**counts, **plain}.items():
            (count,) = database.execute(f'SELECT count(*) FROM "{name}"').fetchone()
            if count != expected or (name in counts and not _index(name) <= tables):
                raise EnvironmentFault(
                    path,
                    f"layer {name} holds {count} of {expected} features, or has no index, after writing",
                    "check the disk, then run it again",
                )


def _index(name: str) -> set[str]:
    """Names of a layer's R-tree and of the triggers that keep it up to date when it is edited (GeoPackage 1.2)."""
    return {f"rtree_{name}_geom", *(f"rtree_{name}_geom_{event}" for event in ("insert", "delete"))}

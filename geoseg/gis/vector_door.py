"""The only door through which vector files of others are opened: areas of interest, labels, truth, corrections.

Such a file alone can never make geoseg open another file or a connection: regular files with the signature of one of
five formats, read from bytes wherever that is possible, without views, virtual tables or linked coordinate systems.
GDAL chooses a driver by what a file holds, and a text may look like several formats: so it never sees GeoJSON, and the
others begin with bytes that end every search for words.
"""

from __future__ import annotations

import io
import json
import re
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import pandas
import pyogrio

from geoseg.errors import UsageError

__all__ = ["VECTORS", "check_geopackage", "read_table", "read_vectors", "vector_layers"]

VECTORS = (".gpkg", ".geojson", ".json", ".fgb", ".shp", ".parquet")
"""Suffixes of files that are taken for vectors."""
KNOWN = "GeoPackage, GeoJSON, FlatGeobuf, Shapefile or Parquet"
LARGEST = 4 << 30
"""Bytes of a file that is read into memory."""
MOST_ROWS = 20_000_000
_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


def vector_layers(path: Path) -> list[str]:
    """Names of the layers with geometry; a file of one layer gives its own name, without suffix.

    Raises:
        UsageError: the file is not there, is no vector file, or could open others.
    """
    if _kind(path) != "gpkg":
        return [path.stem]
    _check_tables(path)
    return [str(n) for n, g in _read(path, lambda: pyogrio.list_layers(path)) if g is not None]


def read_vectors(path: Path, layer: str | None = None) -> geopandas.GeoDataFrame:
    """One layer of a vector file; the first where none is named.

    Raises:
        UsageError: the file is not there, is no vector file, holds no geometry, or could open others.
    """
    frame = _read(path, _READERS[_kind(path)](path, layer))
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise UsageError(path, "holds no geometry", "name a file of polygons, lines or points")
    return frame


def check_geopackage(path: Path) -> None:
    """Make sure that SQLite may open a file by itself: a GeoPackage of tables only.

    Raises:
        UsageError: the file is not there, is no GeoPackage, or could open others.
    """
    if _kind(path) != "gpkg":
        raise UsageError(path, "is no GeoPackage", "give a GeoPackage")
    _check_tables(path)


def read_table(path: Path, name: str) -> pandas.DataFrame:
    """A table without geometry of a GeoPackage.

    Raises:
        UsageError: the file is not there, is no GeoPackage, has no such table, or could open other files.
    """
    check_geopackage(path)
    return pandas.DataFrame(_read(path, lambda: pyogrio.read_dataframe(path, layer=name)))


def _read(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except UsageError:
        raise
    except Exception as error:  # its readers raise errors of all kinds
        reason = " ".join(str(error).split())[:300]
        raise UsageError(path, f"cannot be read as vector data: {reason}", f"give {KNOWN}") from error


def _kind(path: Path) -> str:
    """The format of a regular file by its first bytes: a key of `_READERS`."""
    if str(path).startswith(("/vsi", "http:", "https:", "s3:", "gs:", "az:")):
        raise UsageError(path, "is a remote path, expected a file on disk", "copy it here first")
    start = _bytes_of(path, 64)
    if start.startswith(b"SQLite format 3\0"):
        return "gpkg"
    if start.startswith(b"fgb\x03fgb") and b"\0" in start[7:12]:
        return "fgb"
    if start.startswith(b"\0\0\x27\x0a"):
        return "shp"
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return "geojson"
    raise UsageError(path, f"is no vector file that geoseg reads (it starts with {start[:12]!r})", f"give {KNOWN}")


def _bytes_of(path: Path, most: int | None = None) -> bytes:
    """Bytes of a regular file."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise UsageError(path, "is not a regular file", f"give {KNOWN}")
        if most is None and facts.st_size > LARGEST:
            raise UsageError(path, f"holds {facts.st_size:,} bytes, expected up to {LARGEST:,}", "give a GeoPackage")
        with path.open("rb") as file:
            return file.read(-1 if most is None else most)
    except OSError as error:
        raise UsageError(path, f"cannot be opened: {error.strerror}", "check the path and its permissions") from error


def _check_crs(path: Path, text: str) -> None:
    """Refuse a coordinate system that names files: PROJ would open them."""
    named = re.findall(r"grids\s*=\s*([^\s\"+]*)", text, re.IGNORECASE)  # "@null" stands for none: Web Mercator has it
    if any(n != "@null" for n in named) or re.search(r"\+init|PROJ4_GRIDS|PARAMETERFILE|difference file", text):
        raise UsageError(path, "has a coordinate system that names files", "give it one of the EPSG list")


def _geojson(path: Path, layer: str | None) -> Callable[[], Any]:
    """A GeoJSON file (RFC 7946) as Python reads it."""
    data = _bytes_of(path)
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(path, f"is no GeoJSON: {error}", f"give {KNOWN}") from error
    crs = _named_crs(path, value.get("crs"))
    if value.get("type") == "FeatureCollection":
        features = value.get("features")
    else:
        features = [value if value.get("type") == "Feature" else {"type": "Feature", "geometry": value}]
    return lambda: geopandas.GeoDataFrame.from_features(
        [{**f, "properties": f.get("properties") or {}} for f in features], crs=crs
    )


def _named_crs(path: Path, crs: Any) -> str:
    """The coordinate system of a GeoJSON file: WGS 84, or one of the EPSG list in the older notation.

    Raises:
        UsageError: it is linked, or named in another way.
    """
    if crs is None:
        return "OGC:CRS84"
    name = str((crs.get("properties") or {}).get("name", "")) if isinstance(crs, dict) else ""
    code = re.fullmatch(r"(?:urn:ogc:def:crs:)?(EPSG|OGC):(?:[\d.]*:)?(\d{4,6}|CRS84)", name)
    if code is None or crs.get("type") != "name":
        raise UsageError(
            path, "links to its coordinate system, or names none", 'name it, as "EPSG:25833", or leave it out'
        )
    return f"{code[1]}:{code[2]}"


def _flatgeobuf(path: Path, layer: str | None) -> Callable[[], Any]:
    """A FlatGeobuf file; its header holds the coordinate system."""
    data = _bytes_of(path)
    size = int.from_bytes(data[8:12], "little")
    _check_crs(path, data[12 : 12 + size].decode("latin-1"))
    return lambda: geopandas.read_file(data)


def _parquet(path: Path, layer: str | None) -> Callable[[], Any]:
    """A GeoParquet file, of no more rows than a map has features."""

    def read() -> Any:
        import pyarrow.parquet

        facts = pyarrow.parquet.ParquetFile(path).metadata
        _check_crs(path, str((facts.metadata or {}).get(b"geo", b"")))
        if facts.num_rows > MOST_ROWS:
            raise UsageError(path, f"has {facts.num_rows:,} rows, expected up to {MOST_ROWS:,}", "give a part of it")
        return geopandas.read_parquet(path)

    return read


def _geopackage(path: Path, layer: str | None) -> Callable[[], Any]:
    _check_tables(path)
    options = {} if layer is None else {"layer": layer}
    return lambda: geopandas.read_file(path, **options)


def _check_tables(path: Path) -> None:
    """Refuse a GeoPackage that holds more than tables: a view can call functions that open files."""
    if _bytes_of(path, 100)[68:72] not in (b"GPKG", b"GP10", b"GP11"):
        raise UsageError(path, "is an SQLite file, but no GeoPackage", f"give {KNOWN}")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            systems = database.execute("SELECT definition FROM gpkg_spatial_ref_sys").fetchall()
    except sqlite3.Error as error:
        raise UsageError(path, f"cannot be read: {error}", "close it in other programs, or copy it again") from error
    cure = "export its layer to a file of its own"
    for kind, name, sql in rows:
        words = " ".join(re.sub(r"/\*.*?\*/|--[^\n]*", " ", str(sql or ""), flags=re.DOTALL).lower().split())
        if str(kind).lower() not in ("table", "index", "trigger"):
            raise UsageError(path, f"holds the {str(kind).lower()} {name!r}, expected tables", cure)
        if words.startswith("create virtual") and not re.match(r"create virtual table \S+ using rtree ?\(", words):
            raise UsageError(path, f"holds the virtual table {name!r}", cure)
        if str(kind).lower() == "table" and re.search(r"\bas ?\(", words):
            raise UsageError(path, f"holds the table {name!r} with computed columns", cure)
    _check_crs(path, " ".join(str(d) for (d,) in systems))


def _shapefile(path: Path, layer: str | None) -> Callable[[], Any]:
    """A Shapefile and the four files that belong to it, as a zip in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for suffix in _PARTS:
            beside = next((p for p in (path.with_suffix(suffix), path.with_suffix(suffix.upper())) if p.exists()), None)
            if beside is not None:
                archive.writestr(f"layer{suffix}", _bytes_of(beside))
                if suffix == ".prj":
                    _check_crs(path, _bytes_of(beside, 65536).decode("latin-1"))
    return lambda: geopandas.read_file(buffer.getvalue())


_READERS: dict[str, Callable[[Path, str | None], Callable[[], Any]]] = {
    "geojson": _geojson,
    "fgb": _flatgeobuf,
    "shp": _shapefile,
    "gpkg": _geopackage,
    "parquet": _parquet,
}
"""What looks at a file of each format, and gives a function that reads it."""

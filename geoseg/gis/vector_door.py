"""The only door through which vector files of others are opened: areas of interest, labels, truth, corrections.

Such a file alone can never make geoseg open another file or a connection: regular files with the signature of one of
five formats, read from bytes wherever that is possible, without views, virtual tables or linked coordinate systems.
"""

from __future__ import annotations

import io
import json
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import pyogrio

from geoseg.errors import UsageError

__all__ = ["VECTORS", "read_vectors", "vector_layers"]

VECTORS = (".gpkg", ".geojson", ".json", ".fgb", ".shp", ".parquet")
"""Suffixes of files that are taken for vectors."""
KNOWN = "GeoPackage, GeoJSON, FlatGeobuf, Shapefile or Parquet"
LARGEST = 4 << 30
"""Bytes of a file that is read into memory."""
_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")

Source = Path | bytes


def vector_layers(path: Path) -> list[str]:
    """Names of the layers with geometry; a file of one layer gives its own name, without suffix.

    Raises:
        UsageError: the file is not there, is no vector file, or could open others.
    """
    if _kind(path) != "gpkg":
        return [path.stem]
    source = _geopackage(path)
    return [str(n) for n, g in _read(path, lambda: pyogrio.list_layers(source)) if g is not None]


def read_vectors(path: Path, layer: str | None = None) -> geopandas.GeoDataFrame:
    """One layer of a vector file; the first where none is named.

    Raises:
        UsageError: the file is not there, is no vector file, holds no geometry, or could open others.
    """
    kind = _kind(path)
    if kind == "parquet":
        frame = _read(path, lambda: geopandas.read_parquet(path))
    else:
        source, options = _SOURCES[kind](path), {"layer": layer} if kind == "gpkg" and layer is not None else {}
        frame = _read(path, lambda: geopandas.read_file(source, **options))
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise UsageError(path, "holds no geometry", "name a file of polygons, lines or points")
    return frame


def _read(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # its readers raise errors of all kinds
        reason = " ".join(str(error).split())[:300]
        raise UsageError(path, f"cannot be read as vector data: {reason}", f"give {KNOWN}") from error


def _kind(path: Path) -> str:
    """The format of a regular file by its first bytes: a key of `_SOURCES`, or parquet."""
    if str(path).startswith(("/vsi", "http:", "https:", "s3:", "gs:", "az:")):
        raise UsageError(path, "is a remote path, expected a file on disk", "copy it here first")
    start = _bytes_of(path, 64)
    if start.startswith(b"SQLite format 3\0"):
        return "gpkg"
    if start.startswith(b"fgb\x03"):
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


def _geojson(path: Path) -> bytes:
    """The bytes of a GeoJSON file whose coordinate system is named, never linked."""
    data = _bytes_of(path)
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(path, f"is no GeoJSON: {error}", f"give {KNOWN}") from error
    crs = value.get("crs") if isinstance(value, dict) else None
    if crs is not None and (not isinstance(crs, dict) or crs.get("type") != "name"):
        raise UsageError(path, "links to its coordinate system", 'name it: "type": "name", or leave it out')
    return data


def _geopackage(path: Path) -> Path:
    """A GeoPackage in place, as it may be large, if it holds tables only: a view can call functions that open files."""
    if _bytes_of(path, 100)[68:72] not in (b"GPKG", b"GP10", b"GP11"):
        raise UsageError(path, "is an SQLite file, but no GeoPackage", f"give {KNOWN}")
    look = "SELECT type, name, sql FROM sqlite_master"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(look).fetchall()
    except sqlite3.Error as error:
        raise UsageError(path, f"cannot be read: {error}", "close it in other programs, or copy it again") from error
    for kind, name, sql in rows:
        words = " ".join(str(sql or "").lower().split())
        if kind == "view":
            raise UsageError(path, f"holds the view {name!r}, expected tables", "export its layer to a file of its own")
        if words.startswith("create virtual") and "using rtree" not in words:
            raise UsageError(path, f"holds the virtual table {name!r}", "export its layer to a file of its own")
    return path


def _shapefile(path: Path) -> bytes:
    """A Shapefile and the four files that belong to it, as a zip in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for suffix in _PARTS:
            beside = next((p for p in (path.with_suffix(suffix), path.with_suffix(suffix.upper())) if p.exists()), None)
            if beside is not None:
                archive.writestr(f"layer{suffix}", _bytes_of(beside))
    return buffer.getvalue()


_SOURCES: dict[str, Callable[[Path], Source]] = {
    "geojson": _geojson,
    "fgb": _bytes_of,
    "shp": _shapefile,
    "gpkg": _geopackage,
}
"""What GDAL gets of a file, by its format."""

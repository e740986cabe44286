"""Vector files that want another file opened, or a connection made; each is refused with words of its own.

`gis/test_vector_door.py` gives them to the door; `benchmarks/hostile.py` gives each to commands of their own.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import shapely

SQUARES = [shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)]
FRAME = geopandas.GeoDataFrame({"kind": ["a", "b"]}, geometry=SQUARES, crs=25833)


def _sql(path: Path, *orders: str) -> Path:
    FRAME.to_file(path, layer="area")
    with closing(sqlite3.connect(path)) as database:
        for order in orders:
            database.execute(order)
        database.commit()
    return path


def _virtual(path: Path) -> Path:
    """A table that reads another file, as a crafted GeoPackage would hold it."""
    _sql(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA writable_schema = ON")
        order = f"CREATE VIRTUAL TABLE bait USING VirtualOGR('{path.parent / 'bait.geojson'}')"
        database.execute("INSERT INTO sqlite_master VALUES ('table', 'bait', 'bait', 0, ?)", (order,))
        database.commit()
    return path


def _put(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _linked(path: Path, kind: str, url: str, key: str = "crs") -> Path:
    FRAME.to_crs(4326).to_file(path, driver="GeoJSON")
    value = json.loads(path.read_text())
    del value["crs"]
    value[key] = {"type": kind, "properties": {"href": url, "url": url, "name": url}}
    return _put(path, json.dumps(value))


NO_VECTORS = "is no vector file"
VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="bait"><SrcDataSource>{bait}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
)


def _bait(folder: Path) -> Path:
    return folder / "bait.geojson"


def _vrt(folder: Path) -> str:
    return VRT.format(bait=_bait(folder))


def _json(**facts: object) -> str:
    return json.dumps(facts)


VECTORS = {
    "virtual layers": (lambda p: _put(p / "a.vrt", VRT.format(bait=p / "bait.geojson")), NO_VECTORS),
    "virtual layers as GeoJSON": (lambda p: _put(p / "a.geojson", VRT.format(bait=p / "bait.geojson")), NO_VECTORS),
    "virtual layers of the network": (lambda p: _put(p / "a.gpkg", VRT.format(bait="/vsicurl/URL/a")), NO_VECTORS),
    "linked CRS": (lambda p: _linked(p / "a.geojson", "link", "URL"), "links to its coordinate system"),
    "CRS of an address": (lambda p: _linked(p / "a.geojson", "url", "URL"), "links to its coordinate system"),
    "view": (lambda p: _sql(p / "a.gpkg", "CREATE VIEW v AS SELECT * FROM area"), "holds the view 'v'"),
    "virtual table": (lambda p: _virtual(p / "a.gpkg"), "virtual table 'bait'|cannot be read"),
    "database that is no GeoPackage": (lambda p: _plain(p / "a.gpkg"), "no GeoPackage"),
    "virtual layers inside FlatGeobuf": (
        lambda p: _put(p / "a.fgb", b"fgb\x03fgb\x01\x01\x01\x01\x01" + _vrt(p).encode()),
        NO_VECTORS,
    ),
    "pipeline of GDAL": (
        lambda p: _put(
            p / "a.json", _json(type="gdal_streamed_alg", command_line=f"gdal vector pipeline ! read {_bait(p)}")
        ),
        "cannot be read as vector data",
    ),
    "CRS by a file of PROJ": (
        lambda p: _linked(p / "a.geojson", "name", "+proj=longlat +nadgrids=/tmp/x.gsb +type=crs"),
        "links to its coordinate system",
    ),
    "computed column": (
        lambda p: _sql(p / "a.gpkg", "CREATE TABLE t (x, g GENERATED ALWAYS AS (hex(zeroblob(50000000))))"),
        "computed columns",
    ),
    "map service": (lambda p: _put(p / "a.xml", "<OGRWFSDataSource><URL>URL</URL></OGRWFSDataSource>"), NO_VECTORS),
    "GML with a schema elsewhere": (
        lambda p: _put(p / "a.gml", '<gml:FeatureCollection xsi:schemaLocation="a URL"/>'),
        NO_VECTORS,
    ),
    "KML with a network link": (
        lambda p: _put(p / "a.kml", "<kml><NetworkLink><Link><href>URL</href></Link></NetworkLink></kml>"),
        NO_VECTORS,
    ),
    "zip": (lambda p: _put(p / "a.zip", b"PK\x03\x04" + bytes(60)), NO_VECTORS),
    "text": (lambda p: _put(p / "a.shp", "POLYGON ((0 0, 1 0, 1 1, 0 0))"), NO_VECTORS),
    "empty": (lambda p: _put(p / "a.gpkg", b""), NO_VECTORS),
    "folder": (lambda p: p, "not a regular file"),
    "nothing": (lambda p: p / "none.gpkg", "cannot be opened: No such file"),
    "remote": (lambda p: Path("/vsicurl/http://127.0.0.1:9/a.gpkg"), "remote path"),
    "JSON that is no GeoJSON": (lambda p: _put(p / "a.json", '{"a": 1}'), "cannot be read as vector data"),
    "JSON of 100,000 levels": (lambda p: _put(p / "a.json", '{"a":' * 100_000), "no GeoJSON"),
    "Parquet that is none": (lambda p: _put(p / "a.parquet", b"PAR1" + bytes(60)), "cannot be read as vector data"),
    "FlatGeobuf that is none": (lambda p: _put(p / "a.fgb", b"fgb\x03fgb\x00" + b"\xff" * 60), "cannot be read"),
}


def _plain(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (x)")
        database.commit()
    return path


HARMLESS = {
    "virtual layers inside GeoJSON": lambda p: _put(
        p / "a.geojson", _json(a=_vrt(p), type="FeatureCollection", features=[])
    ),
    "CRS in capitals": lambda p: _linked(p / "a.geojson", "link", "URL", "CRS"),
    "CRS of a geometry": lambda p: _put(
        p / "a.geojson",
        _json(type="Point", coordinates=[1, 2], crs={"type": "link", "properties": {"href": "URL", "url": "URL"}}),
    ),
}
"""Files that may be read: what is bad in them has no effect."""


def hostile_vector(name: str, folder: Path, url: str) -> Path:
    """The file of a case, beside its bait; addresses in it lead to `url`."""
    FRAME.to_file(folder / "bait.geojson", driver="GeoJSON")
    path = (HARMLESS[name] if name in HARMLESS else VECTORS[name][0])(folder)
    if path.is_file() and b"URL" in path.read_bytes():
        path.write_bytes(path.read_bytes().replace(b"URL", url.encode()))
    return path

"""The door for vector files: five formats are read, and none can make geoseg open another file or a connection."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path

import geopandas
import pytest
import shapely

from geoseg.errors import UsageError
from geoseg.gis.vector_door import read_vectors, vector_layers

FRAME = geopandas.GeoDataFrame(
    {"kind": ["a", "b"]}, geometry=[shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)], crs=25833
)
WRITERS = {"gpkg": "GPKG", "geojson": "GeoJSON", "fgb": "FlatGeobuf", "shp": "ESRI Shapefile"}


def _written(folder: Path, suffix: str) -> Path:
    path = folder / f"area.{suffix}"
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
        FRAME.to_parquet(path)
    else:
        FRAME.to_file(path, driver=WRITERS[suffix], engine="pyogrio")
    return path


@pytest.mark.parametrize("suffix", [*WRITERS, "parquet"])
def test_each_format_comes_back_as_it_was_written(tmp_path, suffix) -> None:
    path = _written(tmp_path, suffix)
    found = read_vectors(path)
    assert found.crs is not None
    back = found.to_crs(25833)
    assert set(back["kind"]) == {"a", "b"}
    assert all(any(g.normalize().equals_exact(w, 1e-5) for w in FRAME.normalize()) for g in back.geometry)
    assert vector_layers(path) == ["area"]
    assert len(read_vectors(path, "area")) == 2


def test_a_geopackage_of_two_layers_names_both(tmp_path) -> None:
    path = tmp_path / "two.gpkg"
    FRAME.to_file(path, layer="first")
    FRAME.iloc[:1].to_file(path, layer="second")
    assert vector_layers(path) == ["first", "second"]
    assert len(read_vectors(path, "second")) == 1
    with pytest.raises(UsageError, match="cannot be read as vector data"):
        read_vectors(path, "third")


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


def _linked(path: Path, kind: str, url: str) -> Path:
    FRAME.to_crs(4326).to_file(path, driver="GeoJSON")
    value = json.loads(path.read_text())
    value["crs"] = {"type": kind, "properties": {"href": url, "url": url}}
    return _put(path, json.dumps(value))


NO_VECTORS = "is no vector file"
VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="bait"><SrcDataSource>{bait}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
)
HOSTILE = {
    "virtual layers": (lambda p: _put(p / "a.vrt", VRT.format(bait=p / "bait.geojson")), NO_VECTORS),
    "virtual layers as GeoJSON": (lambda p: _put(p / "a.geojson", VRT.format(bait=p / "bait.geojson")), NO_VECTORS),
    "virtual layers of the network": (lambda p: _put(p / "a.gpkg", VRT.format(bait="/vsicurl/URL/a")), NO_VECTORS),
    "linked CRS": (lambda p: _linked(p / "a.geojson", "link", "URL"), "links to its coordinate system"),
    "CRS of an address": (lambda p: _linked(p / "a.geojson", "url", "URL"), "links to its coordinate system"),
    "view": (lambda p: _sql(p / "a.gpkg", "CREATE VIEW v AS SELECT * FROM area"), "holds the view 'v'"),
    "virtual table": (lambda p: _virtual(p / "a.gpkg"), "virtual table 'bait'|cannot be read"),
    "database that is no GeoPackage": (lambda p: _plain(p / "a.gpkg"), "no GeoPackage"),
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


@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_file_that_could_open_others_is_refused(tmp_path, listener, name) -> None:
    url, connections = listener[0], listener[1]
    FRAME.to_file(tmp_path / "bait.geojson", driver="GeoJSON")
    make, words = HOSTILE[name]
    path = make(tmp_path)
    if path.is_file() and b"URL" in path.read_bytes():
        path.write_bytes(path.read_bytes().replace(b"URL", url.encode()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UsageError, match=words) as caught:
            read_vectors(path)
    assert caught.value.subject == str(path)
    assert not connections


def test_a_pipe_is_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.gpkg")
    with pytest.raises(UsageError, match="not a regular file"):
        read_vectors(tmp_path / "a.gpkg")


def test_a_link_among_the_parts_of_a_shapefile_is_read_as_a_file_only(tmp_path) -> None:
    path = _written(tmp_path, "shp")
    path.with_suffix(".cpg").unlink(missing_ok=True)
    path.with_suffix(".cpg").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="not a regular file"):
        read_vectors(path)


LOOK = """
import sys
from pathlib import Path
from geoseg.gis.vector_door import read_vectors
print(len(read_vectors(Path(sys.argv[1]))))
"""


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="strace is not installed")
def test_reading_opens_the_named_file_only(tmp_path) -> None:
    path = _written(tmp_path, "geojson")
    for neighbour in ("area.vrt", "area.geojson.aux.xml", "area.prj"):
        (tmp_path / neighbour).write_text("x")
    trace = tmp_path / "trace.txt"
    command = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=open,openat",
        "-o",
        str(trace),
        sys.executable,
        "-c",
        LOOK,
        str(path),
    ]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "2"
    opened = {line.split('"')[1] for line in trace.read_text().splitlines() if '"' in line and "ENOENT" not in line}
    assert {p for p in opened if p.startswith(str(tmp_path)) and "trace" not in p} == {str(path)}

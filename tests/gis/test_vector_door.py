"""The door for vector files: five formats are read, and none can make geoseg open another file or a connection."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from hostile_vectors import FRAME, HARMLESS, VECTORS, hostile_vector

from geoseg.errors import UsageError
from geoseg.gis.vector_door import read_vectors, vector_layers

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


@pytest.mark.parametrize("name", list(VECTORS))
def test_a_file_that_could_open_others_is_refused(tmp_path, listener, name) -> None:
    url, connections = listener[0], listener[1]
    _, words = VECTORS[name]
    path = hostile_vector(name, tmp_path, url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UsageError, match=words) as caught:
            read_vectors(path)
    assert caught.value.subject == str(path)
    assert not connections


@pytest.mark.parametrize("name", list(HARMLESS))
def test_what_a_file_says_beside_its_features_has_no_effect(tmp_path, listener, name) -> None:
    url, connections = listener
    path = hostile_vector(name, tmp_path, url)
    try:
        assert "kind" not in read_vectors(path).columns or name.startswith("CRS")
    except UsageError as error:
        assert error.subject == str(path)
    assert not connections


def test_a_coordinate_system_that_names_files_is_refused(tmp_path) -> None:
    """PROJ opens the grids that a definition names."""
    path = _written(tmp_path, "gpkg")
    with closing(sqlite3.connect(path)) as database:
        grid = 'GEOGCS["a",EXTENSION["PROJ4","+proj=longlat +nadgrids=/etc/passwd"]]'
        database.execute("UPDATE gpkg_spatial_ref_sys SET definition = ? WHERE srs_id = 25833", (grid,))
        database.commit()
    with pytest.raises(UsageError, match="names files"):
        read_vectors(path)
    path = _written(tmp_path, "shp")
    path.with_suffix(".prj").write_text(grid)
    with pytest.raises(UsageError, match="names files"):
        read_vectors(path)


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


@pytest.mark.parametrize("suffix", [*WRITERS, "parquet"])
@pytest.mark.parametrize("code", [3857, 2263, 31467, 27700, 4326])
def test_the_usual_coordinate_systems_pass(tmp_path, suffix, code) -> None:
    """Web Mercator's text names the grid @null, which is none."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"area.{suffix}"
    frame = FRAME.set_crs(code, allow_override=True)
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path, driver=WRITERS[suffix], engine="pyogrio")
    found = read_vectors(path)
    assert suffix == "geojson" or found.crs.equals(frame.crs, ignore_axis_order=True) or found.crs.to_epsg(25) == code

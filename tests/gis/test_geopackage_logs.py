"""A GeoPackage that another program has open, or that has an old log beside it: never an unreadable pair."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import geopandas
import pytest
import shapely

from geoseg.errors import OpenElsewhere
from geoseg.gis.geopackage import Layer, write_geopackage

HOLDER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = " + sys.argv[2])
database.execute("SELECT count(*) FROM roofs").fetchone()
for order in sys.argv[3:]:
    database.execute(order)
print("open", flush=True)
sys.stdin.read(1)
"""
SAVE = "UPDATE layer_styles SET description = 'mine'"


def _roofs(count: int) -> list[Layer]:
    boxes = [shapely.box(2 * i, 0, 2 * i + 1, 1) for i in range(count)]
    frame = geopandas.GeoDataFrame({"kind": ["ours"] * count}, geometry=boxes, crs=25833)
    return [Layer("roofs", frame, "<qgis/>")]


def _kinds(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [kind for (kind,) in database.execute("SELECT kind FROM roofs")]


class _Other:
    """A second process that has the file open."""

    def __init__(self, path: Path, mode: str, *orders: str) -> None:
        command = [sys.executable, "-c", HOLDER, str(path), mode, *orders]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().strip() == "open"

    def __enter__(self) -> _Other:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate("x")

    def killed(self) -> None:
        """End without closing the file, so that its log stays."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def package(tmp_path) -> Path:
    """A GeoPackage of two roofs."""
    path = tmp_path / "map.gpkg"
    write_geopackage(path, _roofs(2))
    return path


@pytest.mark.parametrize(
    "held",
    [
        ("WAL",),
        ("WAL", SAVE),
        ("WAL", "BEGIN IMMEDIATE", SAVE),
        ("DELETE", "BEGIN IMMEDIATE", SAVE),
        ("DELETE", "BEGIN EXCLUSIVE"),
    ],
    ids=["looked at", "saved", "unsaved edits", "unsaved edits without a log", "locked"],
)
def test_a_file_that_another_program_works_on_stays_as_it_is(package, held) -> None:
    with _Other(package, *held):
        with pytest.raises(OpenElsewhere, match="is open in another program") as caught:
            write_geopackage(package, _roofs(5))
        assert caught.value.subject == str(package)
        assert caught.value.exit_code == 4
    assert len(_kinds(package)) == 2
    write_geopackage(package, _roofs(5))
    assert _kinds(package) == ["ours"] * 5
    assert not [p for p in package.parent.iterdir() if p.name.startswith("map.gpkg-")]


def test_a_file_that_is_only_read_is_replaced_and_the_reader_keeps_the_old_one(package) -> None:
    with _Other(package, "DELETE"):
        write_geopackage(package, _roofs(5))
        assert _kinds(package) == ["ours"] * 5


def test_the_log_of_a_program_that_was_killed_is_not_replayed_and_not_lost(package, caplog) -> None:
    _Other(package, "WAL", SAVE).killed()
    assert package.with_name("map.gpkg-wal").stat().st_size > 0
    with caplog.at_level(logging.WARNING):
        write_geopackage(package, _roofs(5))
    assert _kinds(package) == ["ours"] * 5
    (copy,) = package.parent.glob("map.edited-*.bak")
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT description FROM layer_styles").fetchall() == [("mine",)]
    assert copy.name in caplog.text


@pytest.mark.parametrize("there", [b"", b"SQLite format 3\0" + b"\xff" * 200, b"no database"])
def test_what_is_no_database_is_replaced_with_its_logs(package, there) -> None:
    package.write_bytes(there)
    for end in ("-wal", "-shm", "-journal"):
        package.with_name(f"map.gpkg{end}").write_bytes(b"old" * 100)
    write_geopackage(package, _roofs(3))
    assert _kinds(package) == ["ours"] * 3


def test_logs_without_a_file_are_removed(package) -> None:
    package.unlink()
    package.with_name("map.gpkg-wal").write_bytes(b"old" * 100)
    write_geopackage(package, _roofs(3))
    assert _kinds(package) == ["ours"] * 3

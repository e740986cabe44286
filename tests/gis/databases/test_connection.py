"""How a database is reached, and what is said where it is not."""

from __future__ import annotations

import socket

import pytest

from geoseg.errors import EnvironmentFault, UsageError
from geoseg.gis.databases import connection as rooms
from geoseg.gis.vector_formats import check_formats
from geoseg.options import MosaicOptions


def test_names_of_outputs_become_names_of_schemas_or_are_refused() -> None:
    assert [rooms.schema_of(n) for n in ("town", "Old-Town 2.1", "_x")] == ["town", "old_town_2_1", "_x"]
    for name in ("2026", "köln", "pg_town", "a" * 56, 'x"; DROP SCHEMA public; --', ""):
        with pytest.raises(UsageError, match="cannot be the name of a schema"):
            rooms.schema_of(name)


def test_the_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setattr(rooms, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"geoseg\[postgis\]"):
        check_formats(("postgis",))


@pytest.mark.parametrize("host", ["127.0.0.1", "postgresql://me:secret@127.0.0.1/gis"])
def test_a_server_that_does_not_answer_is_told_before_the_work_and_without_what_the_environment_holds(
    monkeypatch, host
) -> None:
    pytest.importorskip("psycopg")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name, value in {"PGHOST": host, "PGPORT": str(port), "PGUSER": "me", "PGPASSWORD": "secret"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentFault, match="PostgreSQL: cannot be reached") as caught:
        check_formats(("postgis",), "town")
    assert "PGPASSFILE" in str(caught.value) or "PGHOST" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_night_whose_database_cannot_be_reached_begins_nothing(town, monkeypatch) -> None:
    pytest.importorskip("psycopg")
    _, run, night = town
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(EnvironmentFault, match="cannot be reached"):
        night(mosaic=MosaicOptions(vector_format=("postgis",)))
    assert not run.exists()

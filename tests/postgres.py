"""A real PostgreSQL with PostGIS in a folder of its own, for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KEEPER, READER = "p4ss w:rd of the keeper", "r"
"""Passwords of the user who writes and of one who reads."""


def programs() -> Path | None:
    """The folder of the newest PostgreSQL of this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """A server on this machine; gives what the environment must hold to reach it, PGPASSFILE included.

    The user `keeper` owns the database `gis`; `reader` may only look.
    """
    bin_ = programs()
    if bin_ is None or not list(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        pytest.skip("needs PostgreSQL and PostGIS: apt-get install postgresql postgis postgresql-15-postgis-3")
    as_root = os.geteuid() == 0
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if as_root else []
    place = Path(tempfile.mkdtemp(prefix="geoseg-pg-", dir="/tmp"))
    data, passwords = place / "data", place / "pgpass"

    def run(*command: object) -> None:
        subprocess.run([*prefix, *map(str, command)], check=True, capture_output=True, cwd="/", timeout=120)

    try:
        (place / "first").write_text("master\n")
        if as_root:
            for path in (place, place / "first"):
                shutil.chown(path, "postgres", "postgres")
        run(bin_ / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={place / 'first'}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={place} -c fsync=off"
        run(bin_ / "pg_ctl", "-D", data, "-l", place / "log", "-w", "-o", options, "start")
        try:
            yield {**_fill(port, passwords), "DATA": str(data)}
        finally:
            run(bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _fill(port: int, passwords: Path) -> dict[str, str]:
    import psycopg

    master = {"host": "127.0.0.1", "port": port, "user": "postgres", "password": "master", "autocommit": True}
    with psycopg.connect(dbname="postgres", **master) as server:
        for name, password in (("keeper", KEEPER), ("reader", READER)):
            server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        server.execute("CREATE DATABASE gis OWNER keeper")
        server.execute("CREATE DATABASE plain OWNER keeper")
    with psycopg.connect(dbname="gis", **master) as server:
        server.execute("CREATE SCHEMA extensions")  # not public: nothing may rely on that
        server.execute("CREATE EXTENSION postgis SCHEMA extensions")
        server.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
        server.execute("GRANT CREATE ON SCHEMA public TO keeper")
        for kind, right in (("SCHEMAS", "USAGE"), ("TABLES", "SELECT")):
            server.execute(f"ALTER DEFAULT PRIVILEGES FOR ROLE keeper GRANT {right} ON {kind} TO reader")
    escaped = KEEPER.replace(":", r"\:")
    passwords.write_text(f"127.0.0.1:{port}:*:keeper:{escaped}\n127.0.0.1:{port}:*:reader:{READER}\n")
    passwords.chmod(0o600)
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGDATABASE": "gis",
        "PGUSER": "keeper",
        "PGPASSFILE": str(passwords),
    }

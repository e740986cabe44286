"""The way to PostgreSQL: named by the environment alone, as libpq reads it (PGHOST, PGUSER, PGPASSFILE, PGSERVICE ...).

What libpq says of a connection that fails may hold what the environment holds. So messages here are geoseg's own words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from geoseg.errors import EnvironmentFault, UsageError

__all__ = ["OPTION", "POSTGIS", "SERVER", "check_package", "connection", "one_value", "refusals", "schema_of"]

POSTGIS = "postgis"
"""The format that is no file."""
OPTION = f"--vector-format {POSTGIS}"
SERVER = "PostgreSQL"
_WAIT = "10"
"""Seconds to wait for a server, where PGCONNECT_TIMEOUT says nothing else."""
_LONGEST = 55
"""Letters of a schema's name: PostgreSQL cuts a name after 63."""
_LOGIN = "check PGUSER, and the password for this server in PGPASSFILE (~/.pgpass, readable by its owner only)"
_WHERE = "check PGHOST, PGPORT, PGDATABASE and PGUSER or PGSERVICE; `psql` in the same environment tells more"
_REFUSALS = (
    ("password authentication failed", "refuses the user or the password", _LOGIN),
    ("no password supplied", "asks for a password, and there is none", _LOGIN),
    ("FATAL: .* does not exist", "has no such database or user", _WHERE),
    ("no pg_hba.conf entry", "does not let this user in from here", "add a line to pg_hba.conf of the server"),
)
"""What libpq says (a pattern), what it means, and the cure."""


def check_package() -> None:
    """Check that the package is there that talks to the server.

    Raises:
        UsageError: it is not; names the extra to install.
    """
    if find_spec("psycopg") is None:
        raise UsageError(OPTION, "needs psycopg", "pip install 'geoseg[postgis]'")


def schema_of(name: str) -> str:
    """The schema for outputs of a name: in small letters, with `_` for spaces, dots and hyphens.

    Raises:
        UsageError: other characters, too many, or a name that PostgreSQL keeps for itself.
    """
    schema = re.sub(r"[ .-]", "_", name.lower())
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", schema) or len(schema) > _LONGEST or schema.startswith("pg_"):
        cure = f"name the outputs with --name: letters, digits and _, a letter first, at most {_LONGEST}"
        raise UsageError(OPTION, f"{name!r} cannot be the name of a schema", cure)
    return schema


@contextmanager
def connection() -> Iterator[Any]:
    """A connection (`psycopg.Connection`) to the server that the environment names; one transaction.

    Raises:
        EnvironmentFault: no server answers, or it lets this user not in.
    """
    import psycopg

    wait = {} if os.environ.get("PGCONNECT_TIMEOUT") else {"connect_timeout": _WAIT}
    try:
        opened = psycopg.connect("", fallback_application_name="geoseg", **wait)
    except psycopg.Error as error:
        said = str(error)
        fallback = ("", "cannot be reached with what the environment says", _WHERE)
        _, what, cure = next((row for row in _REFUSALS if re.search(row[0], said)), fallback)
        raise EnvironmentFault(SERVER, what, cure) from None  # the cause would be shown with --debug
    with opened:
        yield opened


@contextmanager
def refusals(act: str) -> Iterator[None]:
    """Turn what the server refuses within a block into EnvironmentFault; `act` says what was tried."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary
        if not said:
            cure = "run the same command again; what was there before is unchanged"
            raise EnvironmentFault(SERVER, f"{act}: the connection was lost", cure) from None
        full = error.sqlstate == "53100"
        cure = "free some disk space there" if full else (error.diag.message_hint or "ask who keeps the database")
        raise EnvironmentFault(SERVER, f"{act}: {said}", cure) from None


def one_value(server: Any, query: Any, *values: object) -> Any:
    """The first value of the first row of an answer; None where there is none (`server`: a `psycopg.Connection`)."""
    row = server.execute(query, values).fetchone()
    return None if row is None else row[0]

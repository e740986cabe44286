"""The logs beside a GeoPackage that is about to be replaced: SQLite would replay an old log into the new file.

QGIS keeps an open GeoPackage in WAL mode: what it saves lies in NAME.gpkg-wal until it is closed (sqlite.org/wal.html).
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from geoseg.errors import OpenElsewhere

__all__ = ["held_alone", "held_as_kept"]

log = logging.getLogger(__name__)

_LOGS = ("-wal", "-shm", "-journal")
_CURE = "close it there (or its layers), then run the same command again"


_TRIES = 5
"""How often a file may change while it is being kept before somebody must be told."""


@contextmanager
def held_as_kept(path: Path, keep: Callable[[Path], str]) -> Iterator[None]:
    """Hold a GeoPackage of which nothing would be lost: what it holds while it is held was kept.

    Args:
        path: about to be replaced or removed; need not be there.
        keep: keeps what a file holds, and returns the SHA-256 of what it kept. It is called again where somebody has
            saved the file in between.

    Raises:
        OpenElsewhere: another program has it open, or saves it again and again.
    """
    for _ in range(_TRIES):
        kept = keep(path) if path.is_file() else ""
        with held_alone(path) as held:
            if not path.is_file() or held() == kept:
                yield
                return
    raise OpenElsewhere(path, "is being saved by another program", _CURE)


@contextmanager
def held_alone(path: Path) -> Iterator[Callable[[], str]]:
    """Hold a GeoPackage while another file takes its name; its logs are closed first.

    What another program had saved to a log is written into the old file, and a copy of that is kept beside it.
    What it gives tells the SHA-256 of the held file.

    Raises:
        OpenElsewhere: another program has it open.
    """
    if not path.is_file():
        _remove_logs(path)
        yield lambda: ""
        return
    with (
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as database,
        ExitStack() as opened,  # a process loses its locks on a file when it closes it anywhere: so not before the end
    ):
        saved = _logged(path)
        if _is_ours(path, database) and saved:
            _keep_copy(path, opened)
        yield lambda: _digest(path, opened)
    _remove_logs(path)


def _digest(path: Path, opened: ExitStack) -> str:
    return hashlib.file_digest(opened.enter_context(path.open("rb")), "sha256").hexdigest()


def _logged(path: Path) -> bool:
    """Whether a log holds anything."""
    with suppress(OSError):
        return path.with_name(path.name + "-wal").stat().st_size > 0
    return False


def _is_ours(path: Path, database: sqlite3.Connection) -> bool:
    """Close the log and lock the file; False where it is no database, so that nobody can have it open as one.

    Raises:
        OpenElsewhere: another program has it open.
    """
    try:
        (mode,) = database.execute("PRAGMA journal_mode = DELETE").fetchone()
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise OpenElsewhere(path, "is open in another program", _CURE) from error
        return False  # read-only: replacing it will say so
    except sqlite3.DatabaseError:
        return False
    if mode != "delete":
        raise OpenElsewhere(path, "is open in another program", _CURE)
    return True


def _keep_copy(path: Path, opened: ExitStack) -> None:
    copy = path.with_name(f"{path.stem}.edited-{_digest(path, opened)[:8]}.bak")
    source = opened.enter_context(path.open("rb"))
    with suppress(OSError), copy.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        log.warning("%s held changes of another program; a copy with them is %s", path, copy.name)


def _remove_logs(path: Path) -> None:
    for end in _LOGS:
        with suppress(OSError):
            path.with_name(path.name + end).unlink()

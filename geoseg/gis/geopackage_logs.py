"""The logs beside a GeoPackage that is about to be replaced: SQLite would replay an old log into the new file.

QGIS keeps an open GeoPackage in WAL mode: what it saves lies in NAME.gpkg-wal until it is closed (sqlite.org/wal.html).
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from geoseg.errors import OpenElsewhere

__all__ = ["held_alone"]

log = logging.getLogger(__name__)

_LOGS = ("-wal", "-shm", "-journal")
_CURE = "close it there (or its layers), then run the same command again"


@contextmanager
def held_alone(path: Path) -> Iterator[None]:
    """Hold a GeoPackage while another file takes its name; its logs are closed first.

    What another program had saved to a log is written into the old file, and a copy of that is kept beside it.

    Raises:
        OpenElsewhere: another program has it open.
    """
    if not path.is_file():
        _remove_logs(path)
        yield
        return
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as database:
        saved = _logged(path)
        if _is_ours(path, database) and saved:
            _keep_copy(path)
        yield
    _remove_logs(path)


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


def _keep_copy(path: Path) -> None:
    mark = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    copy = path.with_name(f"{path.stem}.edited-{mark}.bak")
    with suppress(OSError):
        shutil.copyfile(path, copy)
        log.warning("%s held changes of another program; a copy with them is %s", path, copy.name)


def _remove_logs(path: Path) -> None:
    for end in _LOGS:
        with suppress(OSError):
            path.with_name(path.name + end).unlink()

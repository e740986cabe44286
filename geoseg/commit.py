"""The only writer: no half-written file ever bears a final name.

Small files are made in memory and written by Python, because rasterio drops write errors at close. Larger ones are
written under a temporary name in the same folder by the library that can, then synced, checked by the caller and
renamed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from geoseg.arrays import Json
from geoseg.errors import EnvironmentFault, PlanError

__all__ = [
    "LEFT_BEHIND",
    "commit_bytes",
    "commit_file",
    "commit_json",
    "commit_state",
    "digest",
    "disk_faults",
    "folder",
    "read_json",
    "scratch",
    "settle",
    "sweep",
]

SEAL = "seal"
"""Key under which JSON that later stages rely on holds a hash of the rest."""
WRITE_AGAIN = "delete it, then run the command again that writes it"
LEFT_BEHIND = 3600.0
"""Seconds after which a temporary file belongs to a process that was killed."""
_TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.tmp")
_CURES = {
    errno.ENOSPC: "free some disk space, then run the same command again",
    errno.EDQUOT: "free some of your quota, then run the same command again",
    errno.EFBIG: "a file size limit was reached; raise it (ulimit -f), then run the same command again",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "the disk is read-only; choose another folder",
}


def _fault(path: Path, error: OSError) -> EnvironmentFault:
    cure = _CURES.get(error.errno or 0, "check the disk and the folder, then run the same command again")
    return EnvironmentFault(path, f"cannot be written: {error.strerror or error}", cure)


def _sync_folder(path: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def folder(path: Path) -> Path:
    """Make a folder and its parents.

    Raises:
        EnvironmentFault: that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _fault(path, error) from error
    return path


@contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turn errors of the disk while a file is written into EnvironmentFault with a cure."""
    try:
        yield
    except OSError as error:
        raise _fault(path, error) from error


@contextmanager
def scratch(path: Path, suffix: str = "") -> Iterator[Path]:
    """A temporary name in the same folder, used by this attempt only; whatever happens, no file of that name stays."""
    folder(path.parent)
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}.tmp{suffix}")  # `_TEMPORARY` matches it
    try:
        yield temporary
    finally:
        with disk_faults(path):
            temporary.unlink(missing_ok=True)


def sweep(place: Path, age: float = LEFT_BEHIND) -> None:
    """Remove temporary files that killed processes left in a folder, `age` seconds ago or earlier by the disk's clock.

    Who holds the lock under which files are written there may take any age.
    """
    left = [p for p in place.glob(".*.tmp*") if _TEMPORARY.match(p.name)]
    if not left:
        return
    try:
        with scratch(place / "now") as now:
            now.touch()
            until = now.stat().st_mtime - age
        for path in left:
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < until:
                    path.unlink()
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES):  # where nothing can be written, nothing needs to go
            raise _fault(place, error) from error


def commit_bytes(path: Path, data: bytes | memoryview) -> str:
    """Write bytes under a final name, all or nothing; returns their SHA-256 (hex).

    Raises:
        EnvironmentFault: the disk refuses them, or is full.
    """
    with scratch(path) as temporary, disk_faults(path):
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if temporary.stat().st_size != len(data):
            raise EnvironmentFault(path, "was cut while it was written", "check the disk")
        os.replace(temporary, path)
        _sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


def commit_json(path: Path, value: object) -> str:
    """Write JSON, all or nothing; returns the SHA-256 of its bytes."""
    return commit_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def commit_state(path: Path, value: Json) -> str:
    """Write JSON that later stages rely on, sealed with a hash that `read_json` checks; returns the file's SHA-256."""
    return commit_json(path, {**value, SEAL: _seal(json.loads(json.dumps(value)))})


def _seal(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def commit_file(path: Path, write: Callable[[Path], None], check: Callable[[Path], None], *, suffix: str = "") -> str:
    """Have `write` make a file under a temporary name, then `settle` it; returns its SHA-256 (hex).

    For files too large for memory, and for libraries that only write to paths.
    """
    with scratch(path, suffix or path.suffix) as temporary:
        with disk_faults(path):
            write(temporary)
        return settle(temporary, path, check)


def settle(temporary: Path, path: Path, check: Callable[[Path], None]) -> str:
    """Sync a written file, have `check` raise if it is wrong, then give it its final name; returns its SHA-256."""
    with disk_faults(path):
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        check(temporary)
        fingerprint = digest(temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    return fingerprint


def digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, missing: str = "run the same command again") -> Any:
    """JSON of a file that geoseg wrote, without its seal; `missing` is the cure where there is no such file.

    Raises:
        PlanError: it is not there, cannot be read, or was changed since geoseg wrote it.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise PlanError(path, "does not exist", missing) from error
    except (OSError, ValueError) as error:
        raise PlanError(path, f"cannot be read: {error}", WRITE_AGAIN) from error
    if isinstance(value, dict) and SEAL in value and value.pop(SEAL) != _seal(value):
        raise PlanError(path, "was changed since geoseg wrote it: its seal does not match", WRITE_AGAIN)
    return value

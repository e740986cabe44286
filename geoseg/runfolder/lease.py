"""Locks of a run folder: held by one process at a time, free when it dies, and seen from other hosts by a heartbeat.

On one host the kernel's file lock decides; it ends with its process. Between hosts the heartbeat decides: the age of
the lock file is measured against a file touched just now on the same disk, so the hosts' clocks need not agree.
Process numbers play no part.
"""

from __future__ import annotations

import errno
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from geoseg.commit import folder
from geoseg.errors import Busy, EnvironmentFault

try:
    import fcntl
except ImportError:  # not POSIX: the heartbeat alone decides
    fcntl = None  # type: ignore[assignment]

__all__ = ["held_locks", "lease", "owner_now"]

BEAT = 10.0
"""Seconds between two heartbeats."""
STALE = 60.0
"""Seconds without a heartbeat after which a lock of another host is free."""
BRIEF = 0.1
"""Seconds for which a lock is tried at least: another process may only look at it."""


@contextmanager
def lease(locks: Path, name: str = "plan", *, patience: float = 0.0, look: bool = False) -> Iterator[None]:
    """Hold a lock of a run for a `with` block. Where another process holds it, try again for `patience` seconds.

    With `look` there need be no lock where nothing can be written: a run may be looked at there.

    Raises:
        Busy: another process holds it.
        EnvironmentFault: there can be no lock.
    """
    path = folder(locks) / f"{name}.lock"
    file = _opened(path, look)
    if file is None:
        yield
        return
    with file:
        _wait_for(path, file, patience)
        stop = threading.Event()
        heart = threading.Thread(target=_beat, args=(path, stop), daemon=True)
        heart.start()
        try:
            yield
        finally:
            stop.set()
            heart.join()
            file.seek(0)
            file.truncate()  # no owner
            file.flush()
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough where a library has forked meanwhile


def _opened(path: Path, look: bool) -> IO[str] | None:
    """The file of a lock; None where it cannot be written and need not be.

    Raises:
        EnvironmentFault: it cannot be opened.
    """
    try:
        return path.open("a+")
    except OSError as error:
        if look and error.errno in (errno.EROFS, errno.EACCES):
            return None
        raise EnvironmentFault(path, f"cannot be written: {error.strerror}", "see to the folder") from error


def held_locks(locks: Path, pattern: str) -> list[str]:
    """Names of the locks in a folder, of those that match a pattern, that a process holds now."""
    found = []
    for path in sorted(locks.glob(f"{pattern}.lock")):
        try:
            with path.open("a+") as file:
                _acquire(path, file)
                file.seek(0)
                file.truncate()
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_UN)
        except Busy:
            found.append(path.stem)
    return found


def owner_now(locks: Path, name: str) -> dict[str, str] | None:
    """Who holds a lock now: host, time, and a mark of its own; None where nobody does. Writes no lock."""
    path = locks / f"{name}.lock"
    try:
        with path.open() as file:
            text = file.read()
            owner = json.loads(text) if text.startswith("{") else None
            here = owner is not None and owner.get("host") == socket.gethostname() and fcntl is not None
            if owner is None or (_kept(file) if here else _age_seen(path) < STALE):
                return owner
    except (OSError, ValueError):  # gone, not to be read, or written just now
        return None
    return None


def _kept(file: IO[str]) -> bool:
    """Whether a process of this host keeps a lock: the kernel knows, also of one that was killed."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _age_seen(path: Path) -> float:
    """Seconds since the last heartbeat; by this host's clock where nothing can be written."""
    try:
        return _age(path)
    except OSError:
        return time.time() - path.stat().st_mtime


def _wait_for(path: Path, file: IO[str], patience: float) -> None:
    """Acquire the lock, trying until the patience ends.

    Raises:
        Busy: another process still holds it.
    """
    until = time.monotonic() + max(patience, BRIEF)
    while True:
        try:
            return _acquire(path, file)
        except Busy:
            if time.monotonic() >= until:
                raise
            time.sleep(0.2 if patience else BRIEF / 4)


def _acquire(path: Path, file: IO[str]) -> None:
    """Take the lock and write down whose it is.

    Raises:
        Busy: another process holds it.
    """
    what = "another geoseg works on this run" if path.stem == "plan" else f"another geoseg works on its {path.stem}"
    busy = Busy(path.parent.parent, what, "wait for it, or stop it, then run the same command again")
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise busy from error
    file.seek(0)
    text = file.read()
    owner = json.loads(text) if text.startswith("{") else {}
    host = socket.gethostname()
    elsewhere = owner.get("host") not in (None, host) or (owner and fcntl is None)
    if elsewhere and _age(path) < STALE:
        raise busy
    file.seek(0)
    file.truncate()
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    file.write(json.dumps({"host": host, "since": since, "mark": uuid.uuid4().hex}))  # no two owners are alike
    file.flush()


def _age(path: Path) -> float:
    """Seconds since the last heartbeat, by the disk's own clock."""
    probe = path.with_suffix(".probe")
    probe.touch()
    try:
        return probe.stat().st_mtime - path.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _beat(path: Path, stop: threading.Event) -> None:
    """Touch the lock file again and again until told to stop."""
    while not stop.wait(BEAT):
        path.touch()

"""Where a web map lies: which folder may take its name, how it is built beside it, and how it takes that name.

.NAME-ID.building, touched while a process builds it -> NAME; an earlier map lies under .NAME-ID.old for that moment
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geoseg.commit import disk_faults, folder, read_json
from geoseg.errors import PlanError, UsageError

__all__ = ["LEFT", "LIST", "building", "check_free", "put"]

LIST = "map.json"
"""The file of a map's folder that names all others."""
LEFT = 600.0
"""Seconds without a sign of life after which a folder that was being built belongs to a process that was killed."""
SIGN = 30.0
"""Seconds between two signs of life."""


def check_free(target: Path) -> None:
    """Check that a folder may take this name: nothing is there, or an earlier map and nothing else.

    Raises:
        UsageError: something else is there.
    """
    cure = "name another place with -o"
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        what = "a link" if target.is_symlink() else "a file"
        raise UsageError(target, f"is {what}, where the folder of a web map would be", cure)
    there: list[Path] = []
    with suppress(FileNotFoundError):  # nothing there, or another process has just set it aside
        there = list(target.iterdir())
    if not there:
        return
    named = _named(target)
    if named is None and not target.exists():  # another process is about to give it its name
        return
    if named is None:
        raise UsageError(target, "is there already, and is no web map", cure)
    foreign = sorted(p.name for p in there if p.name not in named or (p.is_dir() and not p.is_symlink()))
    if foreign:
        many = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise UsageError(
            target, f"holds {foreign[0]}{many}, which is no part of the web map there", f"move it elsewhere, or {cure}"
        )


def _named(target: Path) -> set[str] | None:
    """The names of all files of a map; None for a folder that no `view --web` wrote."""
    try:
        said = read_json(target / LIST)
    except PlanError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("form"), int) or not isinstance(said.get("files"), list):
        return None
    return {LIST, *(str(name) for name in said["files"])}


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """A new folder beside a place, which is gone in the end; those that killed processes left go first."""
    made = folder(folder(target.parent) / f".{target.name}-{uuid.uuid4().hex[:12]}.building")
    ended = threading.Event()

    def signs_of_life() -> None:
        while not ended.wait(SIGN):
            with suppress(OSError):
                os.utime(made)

    thread = threading.Thread(target=signs_of_life, daemon=True)
    thread.start()
    try:
        _sweep(target, made.stat().st_mtime)
        yield made
    finally:
        ended.set()
        thread.join()
        shutil.rmtree(made, ignore_errors=True)


def _sweep(target: Path, now: float) -> None:
    """Remove what killed processes left beside a place; a map that one of them had set aside gets its name back.

    `now` is by the disk's clock.
    """
    for left in _beside(target, "building"):
        with suppress(OSError):
            if left.stat().st_mtime < now - LEFT:
                shutil.rmtree(left)
    for old in _beside(target, "old"):
        if old.with_suffix(".building").exists():  # its process is at work, and is about to remove it
            continue
        with _alone(target.parent), suppress(OSError):
            if not target.exists():
                os.rename(old, target)
        shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path, ending: str) -> list[Path]:
    """The hidden folders of this place, and of no other whose name begins like it."""
    name = re.compile(rf"\.{re.escape(target.name)}-[0-9a-f]{{12}}\.{ending}")
    return [p for p in target.parent.iterdir() if name.fullmatch(p.name)]


def put(made: Path, target: Path) -> None:
    """Give a folder its name; an earlier map of that name goes. Of several processes the last one's map stays.

    Raises:
        UsageError: something else has taken the name since, and stays.
        EnvironmentFault: the disk refuses the name; an earlier map stays.
    """
    old = made.with_suffix(".old")
    with _alone(target.parent):
        check_free(target)
        with disk_faults(target), suppress(FileNotFoundError):
            os.replace(target, old)
        try:
            os.replace(made, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            with disk_faults(target):
                raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Wait until no other process gives a map its name in this folder; a disk without locks cannot tell."""
    handle = os.open(place, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

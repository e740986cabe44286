"""Who is at work on a run, and how far: a small file beside the lock of each stage, while it holds the lock.

locks/plan.progress   a stage writes it every few seconds, and removes it at its end
status: lock -> is it held now? -> by the owner that the file names? -> how far

A file that a killed process left belongs to no owner of the lock, and is not believed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from geoseg.arrays import Json
from geoseg.progress import Moment, Progress, counted
from geoseg.runfolder.folder import Run
from geoseg.runfolder.lease import owner_now

__all__ = ["AtWork", "at_work", "watched_by_status"]

RARELY = 2.0
"""Seconds between two writes, at least; a step that begins is written at once."""


@dataclass(frozen=True)
class AtWork:
    """A process that works on a run now.

    `lock`: what it holds, "plan" or a shard; `stage`: "" where it does not say; `moment`: how far it is, None where it
    does not say; `seconds`: since it counts; `host` and `since`: where and when it took the lock.
    """

    lock: str
    host: str
    since: str
    stage: str = ""
    moment: Moment | None = None
    seconds: float = 0.0

    @property
    def said(self) -> str:
        """In one line: `infer [2/2] patches 41 % (40.2 of 98.1 Mpx, 0.2 Mpx/s, about 04:35 left)`."""
        who = self.stage or "another geoseg"
        share = f" ({self.lock})" if self.lock != "plan" else ""
        step = "" if self.moment is None else f" {self.moment.line}"
        if self.moment is not None and self.moment.total:
            step += f" {counted(self.moment, self.seconds)}"
        return f"{who}{share}{step}"


@contextmanager
def watched_by_status(run: Run, stage: str, lock: str, hear: Progress) -> Iterator[Progress]:
    """Hears of a stage that holds a lock, notes how far it is, and passes it on; the note goes at the end."""
    path, owner = _path(run, lock), owner_now(run.locks, lock)
    step, counting, written = "", time.monotonic(), float("-inf")

    def note(moment: Moment) -> None:
        nonlocal step, counting, written
        now = time.monotonic()
        begins = moment.line != step
        if begins or not moment.done:
            step, counting = moment.line, now
        if begins or now - written >= RARELY:
            written = now
            _write(path, {"owner": owner, "stage": stage, "moment": asdict(moment), "seconds": now - counting})
        hear(moment)

    if owner is not None:
        _write(path, {"owner": owner, "stage": stage, "moment": None, "seconds": 0.0})
    try:
        yield hear if owner is None else note
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def at_work(run: Run) -> list[AtWork]:
    """Who works on a run now, the plan's lock first. Only looks: nobody who wants a lock is kept from it."""
    found = []
    for path in sorted(run.locks.glob("*.lock"), key=lambda p: (p.stem != "plan", p.stem)):
        owner = owner_now(run.locks, path.stem)
        if owner is None:
            continue
        note = _read(_path(run, path.stem))
        if note.get("owner") != owner:
            note = {}
        moment = Moment(**note["moment"]) if note.get("moment") else None
        host, since = owner.get("host", ""), owner.get("since", "")
        found.append(AtWork(path.stem, host, since, note.get("stage", ""), moment, note.get("seconds", 0.0)))
    return found


def _path(run: Run, lock: str) -> Path:
    return run.locks / f"{lock}.progress"


def _write(path: Path, note: dict[str, object]) -> None:
    """Whole or not at all; not worth an error, nor a sync of the disk."""
    aside = path.with_suffix(".progress-new")
    with suppress(OSError):
        aside.write_text(json.dumps(note))
        os.replace(aside, path)


def _read(path: Path) -> Json:
    """The note; nothing where there is none, or no whole one."""
    with suppress(OSError, ValueError):
        note = json.loads(path.read_text())
        return note if isinstance(note, dict) else {}
    return {}

"""Nights of a run: each finished one is kept under its date, and `latest` is switched to it at once.

out/ -> out/<date>/ (hard links: unchanged bytes cost nothing; GeoPackages, which people edit, are copies)
     -> out/catalog.json
     -> out/latest, a link that is replaced in one step

A reader of `latest` sees the old night or the new one, never half of both.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from geoseg.commit import commit_bytes, read_json
from geoseg.errors import EnvironmentFault, PlanError, UsageError
from geoseg.night.catalogue import ITEM_END, PROJECT_END, REPORT, own_item, own_project, own_report, write_catalog
from geoseg.runfolder.folder import NIGHT_JSON, Run

__all__ = ["Published", "date_of", "nights", "prune", "publish"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """One published night: its folder, date, and when it was published (seconds since 1970)."""

    folder: Path
    date: str
    published: float
    key: str


def date_of(text: str) -> str:
    """A date as YYYY-MM-DD; `today` is the one of this machine's clock, "" stays as it is."""
    return time.strftime("%Y-%m-%d") if text == "today" else text


def nights(run: Run) -> list[Published]:
    """All published nights, the oldest first."""
    found = []
    for path in run.out.glob(f"*/{NIGHT_JSON}"):
        if not path.parent.is_symlink() and not path.parent.name.startswith("."):  # hidden: half made or half removed
            value = read_json(path)
            found.append(Published(path.parent, value["date"], float(value["published"]), value["key"]))
    return sorted(found, key=lambda n: (n.published, n.folder.name))


def latest(run: Run) -> Path | None:
    """The folder that `latest` stands for; None where nothing was published."""
    link = run.latest
    return link.resolve() if link.exists() else None


def publish(run: Run, date: str, *, patience: float = 0.0) -> Path:
    """Keep what `mosaic` wrote as one night, list it in the catalog, and switch `latest` to it.

    The same outputs are published once for a date.

    Raises:
        PlanError: `mosaic` has not finished.
        EnvironmentFault: the disk takes neither hard links nor copies, or no symbolic link.
    """
    with run.lock(patience=patience):
        _sweep(run)
        finished = run.finished
        files = {name: finished["sha256"][name] for name in finished["files"]}
        key = hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()
        here = [n for n in nights(run) if n.date == date]
        same = next((n.folder for n in here if n.key == key), None)
        folder = same or _filled(run, date, key, list(files))
        write_catalog(run, [n.folder for n in nights(run)])
        _switch(run.latest, folder)
        return folder


def _filled(run: Run, date: str, key: str, files: list[str]) -> Path:
    """A new night's folder: filled under a temporary name, then renamed."""
    out = run.out
    taken = [
        int(p.name[len(date) + 1 :] or 1)
        for p in out.glob(f"{date}*")
        if p.name[len(date) + 1 :].isdigit() or p.name == date
    ]
    final = out / (f"{date}.{max(taken) + 1}" if taken else date)
    temporary = out / f".{uuid.uuid4().hex[:12]}.night"
    try:
        for name in files:
            source, there = run.folder / name, temporary / Path(name).relative_to("out")
            there.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(ITEM_END):
                commit_bytes(there, own_item(run, source, final.name))
            elif name.endswith(PROJECT_END):
                commit_bytes(there, own_project(source))
            elif name.endswith(".gpkg"):
                _copied(source, there)  # people write into it, and a link would change with it
            elif source.name == REPORT:
                commit_bytes(there, own_report(source))
            else:
                _linked(source, there)
        value = {"date": date, "published": time.time(), "key": key, "files": files}
        commit_bytes(temporary / NIGHT_JSON, (json.dumps(value, indent=1) + "\n").encode())
        os.rename(temporary, final)
    except FileNotFoundError as error:
        raise PlanError(error.filename, "is missing", "run geoseg mosaic again with --overwrite") from error
    except OSError as error:
        raise EnvironmentFault(final, f"cannot be published: {error.strerror}", "free some disk space") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return final


def _linked(source: Path, there: Path) -> None:
    """A hard link, or a copy where the disk has none."""
    try:
        os.link(source, there)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV):
            raise
        shutil.copy2(source, there)


def _copied(source: Path, there: Path) -> None:
    """A copy, which shares its bytes with the source where the disk can do that (XFS, Btrfs)."""
    with source.open("rb") as old, there.open("wb") as new:
        left = os.fstat(old.fileno()).st_size
        with suppress(OSError, AttributeError):  # other disks and systems
            while left and (done := os.copy_file_range(old.fileno(), new.fileno(), left)):
                left -= done
        old.seek(new.seek(0, os.SEEK_END))  # from where it stopped
        shutil.copyfileobj(old, new, 1 << 20)
    shutil.copystat(source, there)


def _switch(link: Path, folder: Path) -> None:
    if link.is_symlink() and os.readlink(link) == folder.name:
        return
    temporary = link.with_name(f".{uuid.uuid4().hex[:12]}.tmp")
    try:
        os.symlink(folder.name, temporary, target_is_directory=True)
        os.replace(temporary, link)
    except OSError as error:
        cure = "publish to a disk that knows symbolic links"
        raise EnvironmentFault(link, f"cannot be switched: {error.strerror}", cure) from error
    finally:
        temporary.unlink(missing_ok=True)


def prune(run: Run, keep: int, older_than: float, *, dry_run: bool = False, patience: float = 0.0) -> list[Path]:
    """Remove old nights; returns their folders.

    Some always stay: the newest `keep`, those younger than `older_than` seconds, the one that `latest` stands for,
    and the one before it, since nobody can see who reads on shared storage.
    """
    if keep < 1:
        raise UsageError("--keep", f"{keep}, expected at least 1", "latest always stays")
    with run.lock(patience=patience):
        every = nights(run)
        now = _disk_clock(run)
        current = latest(run)
        places = [n.folder.resolve() for n in every]
        spared = {*places[-keep:]}
        if current in places:
            at = places.index(current)
            spared |= {places[at], places[max(0, at - 1)]}
        gone = [
            n.folder
            for n, place in zip(every, places, strict=True)
            if place not in spared and now - n.published > older_than
        ]
        if gone and not dry_run:  # first: nobody is led to what is gone
            write_catalog(run, [n.folder for n in every if n.folder not in gone])
        for folder in [] if dry_run else gone:
            os.rename(folder, folder.with_name(f".{uuid.uuid4().hex[:12]}.gone"))  # at once: nobody finds half a night
        if not dry_run:
            _sweep(run)
        return gone


def _sweep(run: Run) -> None:
    """Remove what is set aside, also by one that was killed; what cannot go now goes the next time."""
    for folder in [*run.out.glob(".*.gone"), *run.out.glob(".*.night")]:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            log.warning("%s cannot be removed yet: %s", folder, error.strerror)


def _disk_clock(run: Run) -> float:
    """Now, by this machine; never earlier than the last night, so a clock that was set back removes nothing."""
    return max([time.time(), *(n.published for n in nights(run))])

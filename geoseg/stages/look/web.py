"""geoseg view --web: a finished run as a map for the browser.

run -> where it lies on Web Mercator -> pictures as tiles | tables as tiles -> the page -> one file, or a folder
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from geoseg.commit import commit_bytes, commit_json, disk_faults, folder, read_json
from geoseg.errors import UsageError
from geoseg.gis.web_map.page import FORM, inlined_size, one_file, pointer_page, write_folder
from geoseg.gis.web_map.server import PORT
from geoseg.progress import Progress, Steps, unheard
from geoseg.runfolder.folder import Run
from geoseg.stages.look.web_facts import map_facts
from geoseg.stages.look.web_tiles import STEPS, run_tiles

__all__ = ["MOST_IN_PAGE", "WebMap", "fresh_map", "web_map"]

MOST_IN_PAGE = 30_000_000
"""Bytes of a page that holds its tiles itself."""
INDEX, PAGES = "index.html", (".html", ".htm")
LEFT = 3600.0
"""Seconds after which a folder that was being built belongs to a process that was killed."""


@dataclass(frozen=True)
class WebMap:
    """A web map that lies there: its page, the folder of its files if it is one, and what is missing in it."""

    page: Path
    folder: Path | None
    notes: tuple[str, ...] = ()


def web_map(run: Run | Path, out: Path | None = None, *, most: int = MOST_IN_PAGE, hear: Progress = unheard) -> WebMap:
    """Write the web map of a run: one file, or a folder where that would be too large.

    Args:
        run: a run with its blocks and layers.
        out: the page (NAME.html) or the folder; RUN/out/map.html or RUN/out/map otherwise. With NAME.html a map that
            is too large for a page becomes the folder NAME, and the page leads there.
        most: bytes of the largest page.
        hear: is told how far it is.

    Raises:
        PlanError: no run, or one that no mosaic has finished.
        EnvironmentFault: the disk refuses it.
    """
    run = Run.of(run)
    finished = run.finished
    place = out or run.out / "map.html"
    as_page = place.suffix.lower() in PAGES
    target = place.with_suffix("") if as_page else place
    _check_free(target)
    with _building(target) as made:
        tiles = run_tiles(run, made, Steps(STEPS, hear))
        facts, archives, notes = map_facts(run, tiles), tiles.archives(made), tiles.notes
        if as_page and inlined_size(archives) <= most:
            commit_bytes(place, _mark(str(finished["key"])) + one_file(archives, facts))
            if out is None and (target / "map.json").is_file():
                shutil.rmtree(target)
            return WebMap(place, None, notes)
        write_folder(made, facts)
        names = sorted(p.name for p in made.iterdir())
        commit_json(made / "map.json", {"form": FORM, "run": finished["key"], "files": names})
        _put(made, target)
    if as_page:
        commit_bytes(place, pointer_page(str(facts["title"]), target.name, str(facts["serve"]), PORT))
    return WebMap(target / INDEX, target, notes)


@contextmanager
def _building(target: Path) -> Iterator[Path]:
    """A new folder beside a place, which is gone in the end; those that killed processes left go first."""
    parent = folder(target.parent)
    for left in parent.glob(f".{target.name}-*.building"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - LEFT:
                shutil.rmtree(left)
    made = folder(parent / f".{target.name}-{uuid.uuid4().hex[:12]}.building")
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _check_free(target: Path) -> None:
    """Check that a folder may take this name: nothing is there, or an earlier map.

    Raises:
        UsageError: something else is there.
    """
    cure = "name another place with -o"
    if target.exists() and not target.is_dir():
        raise UsageError(target, "is a file, where the folder of a web map would be", cure)
    if target.is_dir() and any(target.iterdir()) and not (target / "map.json").is_file():
        raise UsageError(target, "is there already, and is no web map", cure)


def _put(made: Path, target: Path) -> None:
    """Give a folder its name; an earlier map of that name goes."""
    if target.exists():
        with disk_faults(target):
            os.replace(target, made.with_suffix(".old"))
    with disk_faults(target):
        os.replace(made, target)
    shutil.rmtree(made.with_suffix(".old"), ignore_errors=True)


def fresh_map(run: Run, out: Path | None = None) -> WebMap | None:
    """The web map of a run as it is now, where there is one at the place that `web_map` would give it."""
    place = out or run.out / "map.html"
    as_page = place.suffix.lower() in PAGES
    target, key = place.with_suffix("") if as_page else place, str(run.finished["key"])
    if (target / "map.json").is_file():
        said = read_json(target / "map.json", "make the map again: geoseg view RUN --web")
        if said.get("form") == FORM and said.get("run") == key:
            return WebMap(target / INDEX, target)
    elif as_page and place.is_file():
        with place.open("rb") as file:
            if file.readline() == _mark(key):
                return WebMap(place, None)
    return None


def _mark(key: str) -> bytes:
    """The first line of a page that holds its tiles: which run it shows."""
    return f"<!-- geoseg web map {FORM} of {key} -->\n".encode()

"""geoseg view --web: a finished run as a map for the browser.

run -> where it lies on Web Mercator -> pictures as tiles | tables as tiles -> the page -> one file, or a folder
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from geoseg.commit import commit_bytes, commit_json, read_json
from geoseg.gis.web_map.page import FORM, inlined_size, one_file, pointer_page, write_folder
from geoseg.gis.web_map.server import PORT
from geoseg.progress import Progress, Steps, unheard
from geoseg.runfolder.folder import Run
from geoseg.stages.look.web_facts import map_facts, serve_command
from geoseg.stages.look.web_place import LIST, building, check_free, put
from geoseg.stages.look.web_tiles import STEPS, run_tiles

__all__ = ["MOST_IN_PAGE", "WebMap", "fresh_map", "web_map"]

MOST_IN_PAGE = 30_000_000
"""Bytes of a page that holds its tiles itself."""
INDEX, PAGES = "index.html", (".html", ".htm")


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
        UsageError: something that is no web map has the name of the folder.
        PlanError: no run, or one that no mosaic has finished.
        EnvironmentFault: the disk refuses it.
    """
    run = Run.of(run)
    state = _state(run)  # before anything is read: what is edited meanwhile makes the map stale
    place, target, as_page = _places(run, out)
    check_free(target)
    with building(target) as made:
        tiles = run_tiles(run, made, Steps(STEPS, hear))
        command = serve_command(run.folder, out)
        facts, archives, notes = map_facts(run, tiles, command), tiles.archives(made), tiles.notes
        if as_page and inlined_size(archives) <= most:
            commit_bytes(place, _mark(state) + one_file(archives, facts))
            if out is None and (target / LIST).is_file():
                shutil.rmtree(target)
            return WebMap(place, None, notes)
        write_folder(made, facts)
        names = sorted(p.name for p in made.iterdir())
        commit_json(made / LIST, {"form": FORM, "run": state, "files": names})
        put(made, target)
    if as_page:
        commit_bytes(place, pointer_page(str(facts["title"]), target.name, command, PORT))
    return WebMap(target / INDEX, target, notes)


def _places(run: Run, out: Path | None) -> tuple[Path, Path, bool]:
    """Where a map is to lie: the page or folder, the folder where a page is too large, and whether a page is wanted."""
    place = out or run.out / "map.html"
    as_page = place.suffix.lower() in PAGES
    return place, place.with_suffix("") if as_page else place, as_page


def _state(run: Run) -> str:
    """What a map shows: the run, and its layers as people have left them."""
    facts = [p.stat() for p in run.feature_files[:1]]
    return " ".join([str(run.finished["key"]), *(f"{f.st_size:x}-{f.st_mtime_ns:x}" for f in facts)])


def fresh_map(run: Run, out: Path | None = None) -> WebMap | None:
    """The web map of a run as it is now, where there is one at the place that `web_map` would give it."""
    place, target, as_page = _places(run, out)
    state = _state(run)
    if (target / LIST).is_file():
        said = read_json(target / LIST, "make the map again: geoseg view RUN --web")
        if isinstance(said, dict) and said.get("form") == FORM and said.get("run") == state:
            return WebMap(target / INDEX, target)
    if as_page and place.is_file():
        with place.open("rb") as file:
            if file.readline() == _mark(state):
                return WebMap(place, None)
    return None


def _mark(state: str) -> bytes:
    """The first line of a page that holds its tiles: which run it shows."""
    return f"<!-- geoseg web map {FORM} of {state} -->\n".encode()

"""Before a GeoPackage is replaced, what people have written into it goes to answers.gpkg.

GeoPackage that is no longer what a mosaic has made -> its run id -> verdicts and edits -> answers.gpkg
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyogrio

from geoseg.classes import ClassTable
from geoseg.commit import commit_file, digest
from geoseg.errors import PlanError, UsageError
from geoseg.gis.answers.answers import REVIEW, add_answers, is_answered
from geoseg.gis.answers.edits import Edit, edits_of
from geoseg.gis.answers.originals import known_files, known_runs, original_of
from geoseg.gis.vector_door import check_geopackage, read_vectors, vector_layers
from geoseg.layers import tables
from geoseg.runfolder.folder import Run

__all__ = ["Kept", "keep_before_replacing", "take_answers"]

log = logging.getLogger(__name__)

NAME = 12
"""Characters of a key that make a run id."""


@dataclass(frozen=True)
class Kept:
    """What was taken: the run id of the map, places and features that are new, and whether edits could be told."""

    run_id: str
    new: int
    compared: bool


def keep_before_replacing(run: Run, package: Path, crs: str, table: ClassTable) -> None:
    """Take the answers out of a GeoPackage of the run that is about to be replaced or removed.

    Args:
        run: its folder.
        package: in `out/`; nothing is done where it is as a mosaic has made it.
        crs: of the run's grid.
        table: classes of the map.

    Raises:
        UsageError: it is a map of another run, or cannot be told apart from one: it must not be replaced.
        EnvironmentFault: answers.gpkg cannot be written.
    """
    if digest(package) in known_files(run) | _recorded(run):
        return
    if not _is_database(package):
        log.warning("%s is damaged; a copy of it is %s", package, _keep_copy(package).name)
        return
    kept = take_answers(run, package, crs, table)
    if kept.new:
        log.info("%s: %d verdicts and edits were copied to %s", package, kept.new, run.answers_gpkg.name)
    if not kept.compared:
        copy = _keep_copy(package)
        log.warning("%s: edits cannot be told, since no original is kept; a copy of it is %s", package, copy.name)


def take_answers(run: Run, edited: Path, crs: str, table: ClassTable) -> Kept:
    """Copy verdicts and edits of a GeoPackage to answers.gpkg; those that it holds already are not added again.

    Args:
        run: its folder.
        edited: the map of this run, or a copy of it, with what somebody has written.
        crs: of the run's grid.
        table: classes of the map.

    Raises:
        UsageError: it is a map of another run, or cannot be read.
        EnvironmentFault: answers.gpkg cannot be written.
    """
    check_geopackage(edited)
    run_id = _run_id(run, edited)
    edits: list[Edit] = []
    with original_of(run, run_id) as original:
        review = _verdicts(edited, original, run_id)
        if original is not None:
            edits = edits_of(edited, original, table)
    return Kept(run_id, add_answers(run, crs, review, edits, run_id), original is not None)


def _recorded(run: Run) -> set[str]:
    """SHA-256 of the files that the last mosaic has made."""
    try:
        return set(run.finished["sha256"].values())
    except (PlanError, KeyError, TypeError, AttributeError):
        return set()


def _is_database(path: Path) -> bool:
    """Whether SQLite can read a file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("SELECT count(*) FROM gpkg_contents").fetchone()
    except sqlite3.DatabaseError as error:
        return "locked" in str(error)
    return True


def _run_id(run: Run, edited: Path) -> str:
    """The run id of the map that a file is a copy of; "" where this folder knows none.

    Raises:
        UsageError: no such map was made here.
    """
    there, kept = _run_ids(edited), known_runs(run)
    known = [*kept, *_finished(run)]
    both = [name for name in known if name in there or not there]
    if both or not known:
        return both[0] if both else min(there, default="")
    what = f"was made by run {', '.join(sorted(there)[:3])}, expected {' or '.join(known)}, which {run.folder} holds"
    raise UsageError(edited, what, "move it elsewhere, and name the folder of the run that made it")


def _finished(run: Run) -> list[str]:
    """The run id of the last mosaic, where one is finished."""
    try:
        return [str(run.finished["key"])[:NAME]]
    except (PlanError, KeyError):
        return []


def _run_ids(edited: Path) -> set[str]:
    """All run ids in the layers that geoseg makes."""
    found: set[str] = set()
    with closing(sqlite3.connect(f"{edited.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        for name in (REVIEW, *tables()):
            if "run_id" in {row[1] for row in database.execute(f"PRAGMA table_info({name})")}:
                found |= {str(v) for (v,) in database.execute(f"SELECT DISTINCT run_id FROM {name}") if v}
    return found


def _verdicts(edited: Path, original: Path | None, run_id: str) -> geopandas.GeoDataFrame:
    """The answered places of the map's table; none that were filled in when it was made."""
    frame = _review(edited)
    frame = frame[is_answered(frame) & (frame["run_id"] == run_id)]
    if original is None:
        return frame
    before = {row["id"]: (row["verdict"], row["should_be"]) for row in _review(original).to_dict("records")}
    new = [before.get(r["id"]) != (r["verdict"], r["should_be"]) for r in frame.to_dict("records")]
    return frame[np.array(new, bool)]


def _review(package: Path) -> geopandas.GeoDataFrame:
    layers = vector_layers(package)
    if REVIEW not in layers:
        empty: dict[str, list[object]] = {name: [] for name in ("id", "verdict", "should_be", "run_id")}
        system = pyogrio.read_info(package, layer=layers[0])["crs"] if layers else None
        return geopandas.GeoDataFrame(empty, geometry=[], crs=system)
    frame = read_vectors(package, REVIEW)
    missing = [n for n in ("id", "class", "verdict", "should_be", "run_id") if n not in frame]
    if missing:
        raise UsageError(package, f"its table review lacks {', '.join(missing)}", "edit a copy of NAME.gpkg")
    return frame


def _keep_copy(package: Path) -> Path:
    copy = package.with_name(f"{package.stem}.edited-{digest(package)[:8]}.bak")
    commit_file(copy, lambda temporary: _copy(package, temporary), lambda temporary: None)
    return copy


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)

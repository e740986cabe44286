"""Before a GeoPackage is replaced, what people have written into it goes to answers.gpkg.

GeoPackage that is no longer what a mosaic has made -> its run id -> verdicts and edits -> answers.gpkg
"""

from __future__ import annotations

import glob
import logging
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyogrio

from geoseg.classes import ClassTable
from geoseg.commit import commit_file, digest
from geoseg.errors import PlanError, UsageError
from geoseg.gis.answers.answers import REVIEW, Source, add_answers, answer_of, is_answered, text_of
from geoseg.gis.answers.edits import Edit, edits_of, mark_of
from geoseg.gis.answers.originals import known_files, known_runs, original_of
from geoseg.gis.answers.rest import other_changes
from geoseg.gis.vector_door import check_geopackage, read_vectors, vector_layers
from geoseg.layers import tables
from geoseg.runfolder.folder import Run

__all__ = ["Keeper", "Kept", "made_of", "take_answers"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """What was taken.

    `new`: places and features; `withdrawn`: those that the same file held before; `compared`: whether edits could be
    told; `others`: what else differs from the map as it was made, in words.
    """

    run_id: str
    new: int
    withdrawn: int
    compared: bool
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keeper:
    """Keeps what people have written into the GeoPackages of a run.

    `crs` of its grid, `table` of its map; `known`: SHA-256 of files that hold nothing else; `made`: see `take_answers`.
    """

    run: Run
    crs: str
    table: ClassTable
    known: set[str]
    made: str

    @classmethod
    def of(cls, run: Run, crs: str, table: ClassTable) -> Keeper:
        """A keeper for a mosaic that is about to begin: run.json is still there."""
        return cls(run, crs, table, known_files(run) | _recorded(run), made_of(run))

    def is_edited(self, package: Path) -> bool:
        """Whether a file that SQLite can read is another than a mosaic has made."""
        return digest(package) not in self.known and _is_database(package)

    def take(self, package: Path) -> Kept:
        """Take the answers out of a GeoPackage of the run, as `take_answers` does."""
        return take_answers(self.run, package, self.crs, self.table, self.made)

    def keep(self, package: Path) -> str:
        """Keep what a GeoPackage that is about to be replaced or removed holds; returns the SHA-256 of what it held.

        What is neither a verdict nor an edit is kept with the whole file, as NAME.edited-DATE-HASH.bak.

        Raises:
            UsageError: it is a map of another run, or cannot be told apart from one: it must not be replaced.
            EnvironmentFault: answers.gpkg or the copy cannot be written.
        """
        now = digest(package)  # first: what is saved later has another one
        if now in self.known:
            return now
        if not _is_database(package):
            log.warning("%s is damaged; a copy of it is %s", package, _keep_copy(package).name)
            return now
        kept = self.take(package)
        if kept.new:
            log.info("%s: %d verdicts and edits were copied to %s", package, kept.new, self.run.answers_gpkg.name)
        if not kept.compared:
            copy = _keep_copy(package)
            log.warning("%s: edits cannot be told, since no original is kept; a copy of it is %s", package, copy.name)
        elif kept.others:
            what = "; ".join(kept.others)
            log.warning("%s: was also changed (%s); a copy of it is %s", package, what, _keep_copy(package).name)
        self.known.add(now)
        return now


def made_of(run: Run) -> str:
    """Names the last mosaic of a run, also among others of the same map; "" where none is finished."""
    return digest(run.run_json)[:8] if run.run_json.is_file() else ""


def take_answers(run: Run, edited: Path, crs: str, table: ClassTable, made: str | None = None) -> Kept:
    """Copy verdicts and edits of a GeoPackage to answers.gpkg; those that it holds already are not added again.

    Those that the same file held before and holds no more are withdrawn.

    Args:
        run: its folder.
        edited: the map of this run, or a copy of it, with what somebody has written.
        crs: of the run's grid.
        table: classes of the map.
        made: the mosaic that made it, where it lies in `out/` (see `made_of`): another one made another file.

    Raises:
        UsageError: it is a map of another run, or cannot be read.
        EnvironmentFault: answers.gpkg cannot be written.
    """
    check_geopackage(edited)
    run_id = _run_id(run, edited)
    source = Source(run_id, _file_name(run, edited, made_of(run) if made is None else made))
    edits: list[Edit] = []
    others: list[str] = []
    with original_of(run, run_id) as original:
        review, emptied = _verdicts(edited, original, run_id)
        if original is not None:
            edits = edits_of(edited, original, table)
            others = other_changes(edited, original)
    compared = original is not None
    new, withdrawn = add_answers(run, crs, (review, emptied), edits if compared else None, source)
    return Kept(run_id, new, withdrawn, compared, tuple(others))


def _file_name(run: Run, edited: Path, made: str) -> str:
    """Names a file from which answers come; "" for one that cannot be told from earlier ones of the same path."""
    place, out = edited.resolve(), run.out.resolve()
    if not place.is_relative_to(out):
        return str(place)
    return f"{place.relative_to(out.parent)} {made}" if made else ""


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
        return [run.run_id]
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


def _verdicts(edited: Path, original: Path | None, run_id: str) -> tuple[geopandas.GeoDataFrame, set[str]]:
    """The answered places of the map's table, without those that were filled in when it was made; ids of empty ones."""
    frame = _named(_review(edited), run_id)
    frame = frame[frame["run_id"] == run_id]
    said = is_answered(frame)
    emptied = {str(name) for name in frame["id"][~said]}
    frame = frame[said]
    if original is None:
        return frame, emptied
    before = {row["id"]: answer_of(row) for row in _review(original).to_dict("records")}
    new = [before.get(row["id"]) != answer_of(row) for row in frame.to_dict("records")]
    return frame[np.array(new, bool)], emptied


def _named(frame: geopandas.GeoDataFrame, run_id: str) -> geopandas.GeoDataFrame:
    """Places, those that somebody has added with a name by their shape; without those that lie nowhere."""
    frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty].reset_index(drop=True)
    bare = [not text_of(name) or not text_of(run) for name, run in zip(frame["id"], frame["run_id"], strict=True)]
    added = np.array(bare, bool) | frame["id"].duplicated().to_numpy(bool)
    if not added.any():
        return frame
    names = [
        mark_of(shape) if own else name for shape, own, name in zip(frame.geometry, added, frame["id"], strict=True)
    ]
    runs = [run_id if own else run for own, run in zip(added, frame["run_id"], strict=True)]
    asked = frame["sampled"].eq(True).to_numpy(bool) & ~added if "sampled" in frame else False
    return frame.assign(id=names, run_id=runs, sampled=asked)


def _review(package: Path) -> geopandas.GeoDataFrame:
    layers = vector_layers(package)
    if REVIEW not in layers:
        empty: dict[str, list[object]] = {name: [] for name in ("id", "verdict", "should_be", "note", "run_id")}
        system = pyogrio.read_info(package, layer=layers[0])["crs"] if layers else None
        return geopandas.GeoDataFrame(empty, geometry=[], crs=system)
    frame = read_vectors(package, REVIEW)
    missing = [n for n in ("id", "class", "verdict", "should_be", "run_id") if n not in frame]
    if missing:
        raise UsageError(package, f"its table review lacks {', '.join(missing)}", "edit a copy of NAME.gpkg")
    return frame


def _keep_copy(package: Path) -> Path:
    """A copy of a file beside it, dated; the same bytes once."""
    mark = digest(package)[:8]
    if earlier := sorted(package.parent.glob(f"{glob.escape(package.stem)}.edited-*{mark}.bak")):
        return earlier[0]
    copy = package.with_name(f"{package.stem}.edited-{time.strftime('%Y-%m-%d')}-{mark}.bak")
    commit_file(copy, lambda temporary: _copy(package, temporary), lambda temporary: None)
    return copy


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)

"""answers.gpkg of a run: what people have said of its maps. Rows are only ever added, and each of them once.

verdicts of `review`, edits -> those that are new, with the number of the round -> answers.gpkg, written anew as a whole
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pandas
import shapely
from pyproj import CRS

from geoseg.gis.answers.edits import WITHDRAWN, Edit
from geoseg.gis.answers.tables import EDIT_COLUMNS, EDITS, REVIEW, REVIEW_COLUMNS, ROUND, empty_table, layers_of, typed
from geoseg.gis.geopackage import write_geopackage
from geoseg.gis.vector_door import read_vectors, vector_layers
from geoseg.runfolder.folder import Run

__all__ = [
    "EDITS",
    "REVIEW",
    "Answers",
    "Source",
    "add_answers",
    "answer_of",
    "answers_hash",
    "is_answered",
    "is_judged",
    "read_answers",
    "text_of",
    "with_answers",
]

_ASKED = ("run_id", "id", "class", "verdict", "should_be")
"""Columns of places that the next review knows."""


@dataclass(frozen=True)
class Answers:
    """Places with verdicts and edits, each with the round in which they came; of each place or feature the latest."""

    review: geopandas.GeoDataFrame
    edits: geopandas.GeoDataFrame

    @property
    def shapes(self) -> list[shapely.Geometry]:
        """The ground that somebody has looked at."""
        judged = self.review.geometry[is_judged(self.review)]
        return [*judged, *self.edits.geometry[self.edits.geom_type.isin(["Polygon", "MultiPolygon"])]]


@dataclass(frozen=True)
class Source:
    """Where answers come from: the run id of the map, and a name of the file, "" for one that is not known again."""

    run_id: str
    file: str


def text_of(value: object) -> str:
    """What a cell says, "" for an empty one."""
    return value.strip() if isinstance(value, str) else ""


def is_judged(frame: pandas.DataFrame) -> pandas.Series:
    """Which rows of a table `review` say what the ground is, or is not."""
    said = [bool(text_of(v) or text_of(s)) for v, s in zip(frame["verdict"], frame["should_be"], strict=True)]
    return pandas.Series(said, index=frame.index, dtype=bool)


def is_answered(frame: pandas.DataFrame) -> pandas.Series:
    """Which rows of a table `review` somebody has filled in, if only with a note."""
    said = [any(answer_of({str(k): v for k, v in row.items()})) for row in frame.to_dict("records")]
    return pandas.Series(said, index=frame.index, dtype=bool)


def answer_of(row: Mapping[str, object]) -> tuple[str, str, str]:
    """What somebody has written of a place: verdict, class that it should be, note."""
    return text_of(row["verdict"]), text_of(row["should_be"]), text_of(row.get("note"))


def read_answers(run: Run, crs: str) -> Answers:
    """The answers of a run; none where there is no such file.

    Args:
        run: its folder.
        crs: of the run's grid, in which shapes are given.

    Raises:
        UsageError: answers.gpkg cannot be read.
    """
    review, edits = _read_all(run.answers_gpkg, crs)
    review, edits = _latest(review, ["run_id", "id"]), _latest(edits, ["run_id", "layer", "id"])
    stands = edits["edit"] != WITHDRAWN
    return Answers(review[is_answered(review)].reset_index(drop=True), edits[stands].reset_index(drop=True))


def answers_hash(run: Run, crs: str) -> str:
    """Hash of what the next review needs to know, whatever program has saved answers.gpkg; "" where that is nothing.

    Raises:
        UsageError: answers.gpkg cannot be read.
    """
    answers = read_answers(run, crs)
    rows = []
    for frame, names in ((answers.review, _ASKED), (answers.edits, ("run_id", "layer", "id"))):
        shapes = shapely.to_wkb(shapely.normalize(frame.geometry.to_numpy()), byte_order=1)
        for row, shape in zip(frame.to_dict("records"), shapes, strict=True):
            rows.append(repr((*(text_of(row[n]) for n in names), bool(row.get("sampled")), int(row[ROUND]), shape)))
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest() if rows else ""


def _latest(frame: geopandas.GeoDataFrame, names: list[str]) -> geopandas.GeoDataFrame:
    """The rows of the last round of each name."""
    if not len(frame):
        return frame
    last = frame.groupby(names, sort=False)[ROUND].transform("max")
    return frame[frame[ROUND] == last].reset_index(drop=True)


def _read_all(path: Path, crs: str) -> tuple[geopandas.GeoDataFrame, geopandas.GeoDataFrame]:
    layers = vector_layers(path) if path.is_file() else []
    found = []
    for name, columns in ((REVIEW, REVIEW_COLUMNS), (EDITS, EDIT_COLUMNS)):
        frame = read_vectors(path, name) if name in layers else empty_table(columns, crs)
        missing = {column: None for column in (*columns, ROUND) if column not in frame}
        found.append(typed(_laid(frame.assign(**missing), crs)))
    return found[0], found[1]


def _laid(frame: geopandas.GeoDataFrame, crs: str) -> geopandas.GeoDataFrame:
    """The same ground in another CRS; nothing moves where it is the same one in other words."""
    if frame.crs is None or CRS.from_user_input(crs).equals(frame.crs, ignore_axis_order=True):
        return frame.set_crs(crs, allow_override=True)
    return frame.to_crs(crs)


def add_answers(
    run: Run, crs: str, places: tuple[geopandas.GeoDataFrame, set[str]], edits: list[Edit] | None, source: Source
) -> tuple[int, int]:
    """Add what answers.gpkg does not hold yet; returns how many places and features those are, and were withdrawn.

    Args:
        run: its folder.
        crs: of the run's grid.
        places: answered ones, with the columns of the table `review`, in the CRS of the map; ids of those whose cells
            are empty.
        edits: all edits of one file, in the CRS of the map; None where they cannot be told.
        source: the map that was edited, and the file.

    Raises:
        UsageError: answers.gpkg cannot be read.
        EnvironmentFault: it cannot be written, or is open in another program.
    """
    old_review, old_edits = _read_all(run.answers_gpkg, crs)
    review, emptied = places
    here = review.crs if review.crs is not None else crs
    turn = {ROUND: 1 + int(max([0, *old_review[ROUND], *old_edits[ROUND]]))}
    last_review, last_edits = _latest(old_review, ["run_id", "id"]), _latest(old_edits, ["run_id", "layer", "id"])
    new_review = _new_places(_laid(review.assign(file=source.file), crs), last_review)
    now = _laid(_edit_frame(edits or [], source, here), crs)
    new_edits = _new_edits(now, last_edits)
    gone = _emptied(last_review, emptied, source), _withdrawn(last_edits, now, source, told=edits is not None)
    if not any(len(frame) for frame in (new_review, new_edits, *gone)):
        return 0, 0
    whole = (
        _joined([old_review, new_review.assign(**turn), gone[0].assign(**turn)], (*REVIEW_COLUMNS, ROUND)),
        _joined([old_edits, new_edits.assign(**turn), gone[1].assign(**turn)], (*EDIT_COLUMNS, ROUND)),
    )
    write_geopackage(run.answers_gpkg, layers_of(*whole))
    return len(new_review) + len(new_edits.drop_duplicates(["layer", "id"])), sum(len(frame) for frame in gone)


def _emptied(last: geopandas.GeoDataFrame, names: set[str], source: Source) -> geopandas.GeoDataFrame:
    """Places of the same file whose cells somebody has emptied since, without an answer."""
    ours = _is_of(last, source) & last["id"].isin(names) & is_answered(last)
    return last[ours].assign(verdict=None, should_be=None, note=None)


def _withdrawn(
    last: geopandas.GeoDataFrame, now: geopandas.GeoDataFrame, source: Source, *, told: bool
) -> geopandas.GeoDataFrame:
    """Edits that the same file held and holds no more, each once."""
    there = {*zip(now["layer"], now["id"], strict=True)}
    gone = [pair not in there for pair in zip(last["layer"], last["id"], strict=True)]
    ours = _is_of(last, source) & np.array(gone, bool) & (last["edit"] != WITHDRAWN) & told
    return last[ours].drop_duplicates(["layer", "id"]).assign(**{"edit": WITHDRAWN, "says": "", "class": ""})


def _is_of(rows: geopandas.GeoDataFrame, source: Source) -> pandas.Series:
    """Which answers came from a file."""
    ours = (rows["run_id"] == source.run_id) & (rows["file"] == source.file) & bool(source.file)
    return pandas.Series(ours, dtype=bool)


def _new_places(review: geopandas.GeoDataFrame, old: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Places whose answer is another one than the last."""
    said = {_place_key(row): answer_of(row) for row in old.to_dict("records")}
    new = [said.get(_place_key(row)) != answer_of(row) for row in review.to_dict("records")]
    return review[np.array(new, bool)]


def _place_key(row: dict[str, object]) -> tuple[str, str]:
    return text_of(row["run_id"]), text_of(row["id"])


def _edit_frame(edits: list[Edit], source: Source, crs: object) -> geopandas.GeoDataFrame:
    data = {
        "layer": [e.layer for e in edits],
        "id": [e.id for e in edits],
        "edit": [e.kind for e in edits],
        "says": [e.says for e in edits],
        "class": [e.name for e in edits],
        "run_id": [source.run_id for _ in edits],
        "file": [source.file for _ in edits],
    }
    return geopandas.GeoDataFrame(data, geometry=[e.shape for e in edits], crs=crs)


def _new_edits(edits: geopandas.GeoDataFrame, old: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Edits of features of which others are known, or none."""
    before, now = _by_feature(old), _by_feature(edits)
    keys = zip(edits["run_id"], edits["layer"], edits["id"], strict=True)
    return edits[np.array([before.get(key) != now[key] for key in keys], bool)]


def _by_feature(edits: geopandas.GeoDataFrame) -> dict[tuple[str, str, str], set[tuple[str, str, str, bytes]]]:
    found: dict[tuple[str, str, str], set[tuple[str, str, str, bytes]]] = {}
    shapes = shapely.to_wkb(shapely.normalize(edits.geometry.to_numpy()))
    for row, shape in zip(edits.to_dict("records"), shapes, strict=True):
        says = text_of(row["edit"]), text_of(row["says"]), text_of(row["class"]), shape
        found.setdefault((row["run_id"], row["layer"], row["id"]), set()).add(says)
    return found


def _joined(frames: list[geopandas.GeoDataFrame], columns: Iterable[str]) -> geopandas.GeoDataFrame:
    names = [*columns, "geometry"]
    parts = [frame.reindex(columns=names) for frame in frames if len(frame)]
    if not parts:
        return typed(frames[0].reindex(columns=names))
    return typed(geopandas.GeoDataFrame(pandas.concat(parts, ignore_index=True), crs=frames[0].crs))


def with_answers(run: Run, frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """A table `review`, in which empty verdicts are those that answers.gpkg of its run holds for the same map.

    Raises:
        UsageError: answers.gpkg cannot be read.
    """
    known = read_answers(run, frame.crs).review
    said = {_place_key(row): row for row in known.to_dict("records")}
    rows = [said.get(_place_key(row)) for row in frame.to_dict("records")]
    empty = ~is_judged(frame)
    filled = frame.astype({"verdict": object, "should_be": object})
    for name in ("verdict", "should_be"):
        values = [None if row is None else row[name] for row in rows]
        filled[name] = [v if bare else old for v, bare, old in zip(values, empty, filled[name], strict=True)]
    return filled

"""answers.gpkg of a run: what people have said of its maps. Rows are only ever added, and each of them once.

verdicts of `review`, edits -> those that are new, with the number of the round -> answers.gpkg, written anew as a whole
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pandas
import shapely
from pyproj import CRS

from geoseg.gis.answers.edits import Edit
from geoseg.gis.columns import VERDICTS
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.gis.styles import classes_qml
from geoseg.gis.vector_door import read_vectors, vector_layers
from geoseg.runfolder.folder import Run

__all__ = ["EDITS", "REVIEW", "Answers", "add_answers", "is_answered", "read_answers", "text_of", "with_answers"]

REVIEW, EDITS = "review", "edits"

REVIEW_COLUMNS = (
    "id", "rank", "reason", "class", "class_id", "score", "area_m2", "confidence", "verdict", "should_be", "note",
    "sampled", "stratum_pixels", "stratum_places", "map_pixels", "map_places", "run_id",
)  # fmt: skip
COUNTS = ("stratum_pixels", "stratum_places", "map_pixels", "map_places")
EDIT_COLUMNS = ("layer", "id", "edit", "says", "class", "run_id")
ROUND = "round"
_COLOURS = {"ok": (60, 150, 70), "wrong": (214, 40, 40), "should_be": (240, 140, 20)}
_EDIT_COLOURS = {
    "added": (30, 150, 60),
    "moved": (245, 160, 20),
    "deleted": (215, 40, 40),
    "reclassified": (60, 110, 220),
}


@dataclass(frozen=True)
class Answers:
    """Places with verdicts and edits, each with the round in which they came; of each place or feature the latest."""

    review: geopandas.GeoDataFrame
    edits: geopandas.GeoDataFrame

    @property
    def shapes(self) -> list[shapely.Geometry]:
        """The ground that somebody has looked at."""
        return [*self.review.geometry, *self.edits.geometry[self.edits.geom_type.isin(["Polygon", "MultiPolygon"])]]


def text_of(value: object) -> str:
    """What a cell says, "" for an empty one."""
    return value.strip() if isinstance(value, str) else ""


def is_answered(frame: pandas.DataFrame) -> pandas.Series:
    """Which rows of a table `review` somebody has filled in."""
    said = [bool(text_of(v) or text_of(s)) for v, s in zip(frame["verdict"], frame["should_be"], strict=True)]
    return pandas.Series(said, index=frame.index, dtype=bool)


def read_answers(run: Run, crs: str) -> Answers:
    """The answers of a run; none where there is no such file.

    Args:
        run: its folder.
        crs: of the run's grid, in which shapes are given.

    Raises:
        UsageError: answers.gpkg cannot be read.
    """
    review, edits = _read_all(run.answers_gpkg, crs)
    return Answers(
        _latest(review, ["run_id", "id"]),
        _latest(edits, ["run_id", "layer", "id"]),
    )


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
        frame = read_vectors(path, name) if name in layers else _empty(columns, crs)
        found.append(_typed(_laid(frame, crs)))
    return found[0], found[1]


def _laid(frame: geopandas.GeoDataFrame, crs: str) -> geopandas.GeoDataFrame:
    """The same ground in another CRS; nothing moves where it is the same one in other words."""
    if frame.crs is None or CRS.from_user_input(crs).equals(frame.crs, ignore_axis_order=True):
        return frame.set_crs(crs, allow_override=True)
    return frame.to_crs(crs)


def _empty(columns: Iterable[str], crs: str) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame({name: [] for name in (*columns, ROUND)}, geometry=[], crs=crs)


def _typed(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """The same types of columns whatever rows there are, so that files get the same columns."""
    kinds: dict[str, type] = {
        **dict.fromkeys(("rank", "class_id", *COUNTS, ROUND), np.int64),
        **dict.fromkeys(("score", "area_m2", "confidence"), np.float64),
        "sampled": bool,
    }
    names = [n for n in frame.columns if n != frame.geometry.name]
    filled = {n: frame[n].fillna(0) for n in names if n in kinds}
    return frame.assign(**filled).astype({n: kinds.get(n, object) for n in names})


def add_answers(run: Run, crs: str, review: geopandas.GeoDataFrame, edits: list[Edit], run_id: str) -> int:
    """Add what answers.gpkg does not hold yet; returns how many places and features those are.

    Args:
        run: its folder.
        crs: of the run's grid.
        review: answered places, with the columns of the table `review`; its CRS is that of the map.
        edits: all edits of one file, in the CRS of the map.
        run_id: of the map that was edited.

    Raises:
        UsageError: answers.gpkg cannot be read.
        EnvironmentFault: it cannot be written, or is open in another program.
    """
    old_review, old_edits = _read_all(run.answers_gpkg, crs)
    here = review.crs if review.crs is not None else crs
    turn = 1 + int(max([0, *old_review[ROUND], *old_edits[ROUND]]))
    new_review = _new_places(_laid(review, crs), _latest(old_review, ["run_id", "id"])).assign(**{ROUND: turn})
    new_edits = _new_edits(_laid(_edit_frame(edits, run_id, here), crs), _latest(old_edits, ["run_id", "layer", "id"]))
    if not len(new_review) and not len(new_edits):
        return 0
    whole = (
        _joined(old_review, new_review, (*REVIEW_COLUMNS, ROUND)),
        _joined(old_edits, new_edits.assign(**{ROUND: turn}), (*EDIT_COLUMNS, ROUND)),
    )
    write_geopackage(run.answers_gpkg, _layers(*whole))
    return len(new_review) + len(new_edits.drop_duplicates(["layer", "id"]))


def _new_places(review: geopandas.GeoDataFrame, old: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Places whose answer is another one than the last."""
    said = {_place_key(row): _answer(row) for row in old.to_dict("records")}
    new = [said.get(_place_key(row)) != _answer(row) for row in review.to_dict("records")]
    return review[np.array(new, bool)]


def _place_key(row: dict[str, object]) -> tuple[str, str]:
    return text_of(row["run_id"]), text_of(row["id"])


def _answer(row: dict[str, object]) -> tuple[str, str, str]:
    return text_of(row["verdict"]), text_of(row["should_be"]), text_of(row.get("note"))


def _edit_frame(edits: list[Edit], run_id: str, crs: object) -> geopandas.GeoDataFrame:
    data = {
        "layer": [e.layer for e in edits],
        "id": [e.id for e in edits],
        "edit": [e.kind for e in edits],
        "says": [e.says for e in edits],
        "class": [e.name for e in edits],
        "run_id": [run_id for _ in edits],
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


def _joined(old: geopandas.GeoDataFrame, new: geopandas.GeoDataFrame, columns: Iterable[str]) -> geopandas.GeoDataFrame:
    names = [*columns, "geometry"]
    parts = [frame.reindex(columns=names) for frame in (old, new) if len(frame)]
    if not parts:
        return _typed(old.reindex(columns=names))
    return _typed(geopandas.GeoDataFrame(pandas.concat(parts, ignore_index=True), crs=old.crs))


def _layers(review: geopandas.GeoDataFrame, edits: geopandas.GeoDataFrame) -> list[Layer]:
    return [
        Layer(
            REVIEW,
            review,
            classes_qml("verdict", list(_COLOURS.items()), alpha=60),
            "places with a verdict, of all maps of this run; of several rounds the last one counts",
            values={"verdict": VERDICTS},
        ),
        Layer(
            EDITS,
            edits,
            classes_qml("edit", list(_EDIT_COLOURS.items()), alpha=60),
            "ground that somebody has edited, and what that says of it",
            geometry_type="Unknown",
        ),
    ]


def with_answers(run: Run, frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """A table `review`, in which empty verdicts are those that answers.gpkg of its run holds for the same map.

    Raises:
        UsageError: answers.gpkg cannot be read.
    """
    known = read_answers(run, frame.crs).review
    said = {_place_key(row): row for row in known.to_dict("records")}
    rows = [said.get(_place_key(row)) for row in frame.to_dict("records")]
    empty = ~is_answered(frame)
    filled = frame.astype({"verdict": object, "should_be": object})
    for name in ("verdict", "should_be"):
        values = [None if row is None else row[name] for row in rows]
        filled[name] = [v if bare else old for v, bare, old in zip(values, empty, filled[name], strict=True)]
    return filled

"""What answers say of the ground: that it is of a class, or of any class but one.

verdicts, edits -> statements, those that count more after those that count less
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import shapely

from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.errors import UsageError
from geoseg.gis.answers.answers import Answers, is_judged, text_of
from geoseg.gis.answers.edits import IS, NOTHING
from geoseg.gis.columns import VERDICTS

__all__ = ["Statement", "statements_of"]

_FOREIGN = "of a class that this map lacks"
MIDDLE = 1 / 3
"""Share of the side of a random place that its verdict speaks of: the pixel in its middle is what was judged."""


@dataclass(frozen=True)
class Statement:
    """A shape in the grid's CRS, and what was said of it: the name of a class, or `not` and the name of a class.

    `alike`: it speaks of those pixels only that the map gives the class of the middle one.
    """

    shape: shapely.Geometry
    said: str
    alike: bool = False

    @property
    def denies(self) -> bool:
        """Whether it says only of which class the ground is not."""
        return self.said.startswith("not ")


def statements_of(
    answers: Answers, table: ClassTable, subject: Path, run_id: str = ""
) -> tuple[list[Statement], Counter[str]]:
    """All statements in the order in which they are laid on each other, and how many answers there are of each kind.

    Later rounds count more than earlier ones, edits more than verdicts, and "is" more than "is not".

    Args:
        answers: of a run.
        table: classes of its map.
        subject: the file that is named in errors.
        run_id: of its map. Answers to other maps may name classes that it lacks: these are counted, and say nothing.

    Raises:
        UsageError: a verdict that is none, or a class that the map lacks; names the place.
    """
    names = [c.name for c in table.classes]
    counts: Counter[str] = Counter()
    ranked: list[tuple[tuple[int, int, bool], str, Statement]] = []
    review = answers.review[is_judged(answers.review)]
    for row in review.to_dict("records"):
        if _is_foreign(row, ("class", "should_be"), names, run_id):
            counts[_FOREIGN] += 1
            continue
        kind, statement = _of_place(row, names, subject)
        counts[kind] += 1
        if statement.said:
            ranked.append(((int(row["round"]), 0, not statement.denies), str(row["id"]), statement))
    for row in answers.edits.to_dict("records"):
        if _is_foreign(row, ("class",), names, run_id):
            counts[_FOREIGN] += 1
            continue
        found = _of_edit(row, names, subject)
        counts[row["edit"] if found is not None else "of no ground or class"] += 1
        if found is not None:
            ranked.append(((int(row["round"]), 1, not found.denies), str(row["id"]), found))
    ranked.sort(key=lambda one: (one[0], one[1], shapely.to_wkb(one[2].shape)))
    return [statement for _, _, statement in ranked], counts


def _is_foreign(row: Json, columns: tuple[str, ...], names: list[str], run_id: str) -> bool:
    """Whether an answer to another map names a class that this one lacks."""
    return text_of(row["run_id"]) != run_id and any(text_of(row[c]) not in ("", *names) for c in columns)


def _of_place(row: Json, names: list[str], subject: Path) -> tuple[str, Statement]:
    """What a verdict says; the words are those of `evaluate --from-review`."""
    verdict, should_be, name = text_of(row["verdict"]), text_of(row["should_be"]), text_of(row["class"])
    place = f"place {row['id']}"
    if verdict and verdict not in VERDICTS:
        raise UsageError(subject, f"{place} has the verdict {verdict!r}", f"write one of {', '.join(VERDICTS)}")
    if verdict == "ok" and should_be not in ("", name):
        raise UsageError(
            subject, f"{place} is {name}, has the verdict ok and should be {should_be}", "empty one of the two"
        )
    true = _known(name if verdict == "ok" else should_be, names, place, subject)
    kind = "ok" if verdict == "ok" else "corrected" if true else "wrong"
    denied = _known(name, names, place, subject)
    shape = shapely.make_valid(row["geometry"])
    if row["sampled"]:
        shape = shapely.affinity.scale(shape, MIDDLE, MIDDLE, origin="center")
    said = true or (f"not {denied}" if denied else "")  # nothing: a place of one's own that is not what it is not
    return kind if said else "of no ground or class", Statement(shape, said, alike=bool(row["sampled"]))


def _of_edit(row: Json, names: list[str], subject: Path) -> Statement | None:
    """What an edit says; None for lines and points, and for what somebody drew without a class."""
    if text_of(row["says"]) == NOTHING:
        return None
    name = _known(text_of(row["class"]), names, f"{row['layer']} {row['id']}", subject)
    said = name if row["says"] == IS else f"not {name}"
    return Statement(shapely.make_valid(row["geometry"]), said)


def _known(name: str, names: list[str], what: str, subject: Path) -> str:
    if name and name not in names:
        raise UsageError(subject, f"{what} is said to be {name!r}", f"correct it: the classes are {', '.join(names)}")
    return name

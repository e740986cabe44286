"""geoseg evaluate --from-review: how good a map is, from the verdicts on its random places.

table review, as somebody has filled it in -> random places with a verdict, by class -> shares with intervals

Who deletes places takes away those that are hard to judge: what is left is no random sample. So each random place says
how many there were, of its class and in all. A few may be missing, and it is said; with more there is no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas

from geoseg.arrays import Json
from geoseg.errors import UsageError
from geoseg.gis.answers.answers import with_answers
from geoseg.gis.columns import VERDICTS
from geoseg.gis.vector_door import read_vectors, vector_layers
from geoseg.metrics.strata import Estimate, Stratum, overall_accuracy, users_accuracy
from geoseg.runfolder.folder import Run

__all__ = ["MOST_MISSING", "evaluate_review", "review_markdown"]

TABLE = "review"
COUNTS = ("stratum_pixels", "stratum_places", "map_pixels", "map_places")
COLUMNS = ("id", "class", "verdict", "should_be", "sampled", *COUNTS, "run_id")
MAKE = "give a copy of NAME.gpkg, as geoseg mosaic --review N has made it, with your verdicts"
MOST_MISSING = 0.1
"""Share of the random places from which on there is no estimate, because so many were deleted."""


@dataclass(frozen=True)
class Sample:
    """The random places of a map.

    Attributes:
        strata: the classes of the map of which a place is there, in the order of their names.
        there: places of each that are there.
        drawn: places of each that were drawn.
        pixels: of the whole map.
        places: drawn in the whole map.
    """

    strata: dict[str, Stratum]
    there: dict[str, int]
    drawn: dict[str, int]
    pixels: int
    places: int

    @property
    def judged(self) -> int:
        """Places with a verdict."""
        return sum(s.judged for s in self.strata.values())

    @property
    def missing(self) -> int:
        """Places that were deleted."""
        return self.places - sum(self.there.values())


def evaluate_review(edited: Path, run: Run | Path | None = None) -> Json:
    """Accuracy of a map from its random places with a verdict; ranked places never count.

    Args:
        edited: GeoPackage with the table `review`, with verdicts.
        run: the finished run that made it, to be sure that it did; verdicts that its answers.gpkg holds count where
            the table has none.

    Returns:
        Plain data: `overall_accuracy` and, by class, `users_accuracy`, each with value, standard error (None where it
        is not known) and interval, as shares (0 to 1); how many places there are, were judged, still lack a verdict,
        and are missing; and `notes`, in words.

    Raises:
        UsageError: no such table, verdicts that say nothing, places of another run, or too many were deleted.
        PlanError: the run is not finished.
    """
    frame = _table(edited)
    run_id = _run_id(edited, frame, run)
    if run is not None:
        frame = with_answers(Run.of(run), frame)
    sample = _sample(edited, frame[frame["sampled"].eq(True)])
    return _report(edited, run_id, sample)


def _sample(edited: Path, places: geopandas.GeoDataFrame) -> Sample:
    """The random places, as far as they are there.

    Raises:
        UsageError: there is none, one is there twice, their counts were changed, too many are missing, or none has a
            verdict.
    """
    if not len(places):
        raise UsageError(edited, "its table review holds no random places", MAKE)
    if places["id"].duplicated().any():
        twice = places.loc[places["id"].duplicated(), "id"].iloc[0]
        raise UsageError(edited, f"holds the place {twice} twice", "delete one of them")
    right = [_right(edited, row) for row in places.to_dict("records")]
    _check_counts(edited, places)
    groups = {str(name): group for name, group in places.assign(right=right).groupby("class")}
    sample = Sample(
        strata={name: _stratum(group) for name, group in groups.items()},
        there={name: len(group) for name, group in groups.items()},
        drawn={name: int(group["stratum_places"].iloc[0]) for name, group in groups.items()},
        pixels=int(places["map_pixels"].iloc[0]),
        places=int(places["map_places"].iloc[0]),
    )
    if sample.missing > MOST_MISSING * sample.places:
        what = f"lacks {sample.missing} of its {sample.places} random places, and what is left is no random sample"
        cure = f"{MAKE}; leave the verdict of a place empty where you cannot tell"
        raise UsageError(edited, what, cure)
    if not sample.judged:
        raise UsageError(edited, f"none of its {len(right)} random places has a verdict", "fill in the column verdict")
    return sample


def _check_counts(edited: Path, places: geopandas.GeoDataFrame) -> None:
    """Raise where the places of a class, or of the map, do not say the same of it."""
    cure = f"write the right class into should_be, and leave the other columns as they are; else {MAKE}"
    if len(places[["map_pixels", "map_places"]].drop_duplicates()) > 1 or places[list(COUNTS)].isna().any(axis=None):
        raise UsageError(edited, "its random places do not agree on how many there were", cure)
    for name, group in places.groupby("class"):
        if len(group[["stratum_pixels", "stratum_places"]].drop_duplicates()) > 1:
            raise UsageError(edited, f"its random places of the class {name} do not agree on how many there were", cure)
        drawn = int(group["stratum_places"].iloc[0])
        if len(group) > drawn:
            raise UsageError(edited, f"holds {len(group)} random places of the class {name}, drawn were {drawn}", cure)


def _stratum(group: geopandas.GeoDataFrame) -> Stratum:
    """One class of the map."""
    said = [bool(r) for r in group["right"] if r is not None]
    return Stratum(int(group["stratum_pixels"].iloc[0]), len(said), sum(said))


def _report(edited: Path, run_id: str, sample: Sample) -> Json:
    """All that follows from the verdicts."""
    there = sum(sample.there.values())
    return {
        "protocol": {
            "review": str(edited),
            "run_id": run_id,
            "places": "random places only (sampled), stratified by the map's classes",
            "estimator": "Olofsson et al. 2014, weighted by pixels; Wilson intervals, 95 %",
        },
        "places": there,
        "judged": sample.judged,
        "without_verdict": there - sample.judged,
        "missing": sample.missing,
        "share_of_map": sum(s.pixels for s in sample.strata.values() if s.judged) / sample.pixels,
        "overall_accuracy": _shown(overall_accuracy(list(sample.strata.values()))),
        "classes": {
            name: {
                "users_accuracy": _shown(users_accuracy(s)),
                "judged": s.judged,
                "right": s.right,
                "missing": sample.drawn[name] - sample.there[name],
                "pixels": s.pixels,
                "share": s.pixels / sample.pixels,
            }
            for name, s in sample.strata.items()
        },
        "notes": _notes(sample),
    }


def _notes(sample: Sample) -> list[str]:
    """What limits the estimate, and what would cure it."""
    notes = []
    if without := sum(sample.there.values()) - sample.judged:
        notes.append(f"{without} still lack one: with them the intervals get narrower.")
    if sample.missing:
        lost = [f"{n - sample.there[name]} of {name}" for name, n in sample.drawn.items() if n > sample.there[name]]
        if gone := sample.places - sum(sample.drawn.values()):
            lost.append(f"{gone} of classes of which none is left")
        notes.append(
            f"{sample.missing} of the {sample.places} random places are missing ({', '.join(lost)}): the estimate is"
            " too good where hard ones were deleted. Leave their verdict empty instead."
        )
    share = sum(s.pixels for s in sample.strata.values() if s.judged) / sample.pixels
    if share < 1:
        what = f"{100 * share:.1f} %"
        notes.append(f"Of some classes no place has a verdict: the overall accuracy is that of {what} of the map.")
    if single := [name for name, s in sample.strata.items() if s.hides_variance]:
        notes.append(
            f"Only one place of {', '.join(single)} has a verdict, so the standard error of it and of all is not known:"
            " judge at least one more of each."
        )
    return notes


def _table(edited: Path) -> geopandas.GeoDataFrame:
    """The table, with all its columns."""
    layers = vector_layers(edited)
    if TABLE not in layers:
        raise UsageError(edited, f"holds no table review, but {', '.join(layers) or 'nothing'}", MAKE)
    frame = read_vectors(edited, TABLE)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise UsageError(edited, f"its table review lacks {', '.join(missing)}", MAKE)
    return frame


def _run_id(edited: Path, frame: geopandas.GeoDataFrame, run: Run | Path | None) -> str:
    """The run that made the table, which must be the given one."""
    made = sorted({_text(v) for v in frame["run_id"]} - {""})
    if len(made) != 1:
        raise UsageError(edited, f"its table review was made by {len(made)} runs, expected one", MAKE)
    if run is not None:
        run = Run.of(run)
        expected = run.run_id
        if made[0] != expected:
            what = f"was made by run {made[0]}, expected {expected}, which {run.folder} holds now"
            raise UsageError(edited, what, "review the GeoPackage of this run, or name the run that made this one")
    return made[0]


def _right(edited: Path, row: Json) -> bool | None:
    """Whether a place is right; None where nobody has said."""
    verdict, should_be = _text(row["verdict"]), _text(row["should_be"])
    if not verdict:
        verdict = "should_be" if should_be else ""
    if verdict and verdict not in VERDICTS:
        raise UsageError(
            edited, f"place {row['id']} has the verdict {verdict!r}", f"write one of {', '.join(VERDICTS)}"
        )
    if verdict == "ok" and should_be not in ("", row["class"]):
        what = f"place {row['id']} is {row['class']}, has the verdict ok and should be {should_be}"
        raise UsageError(edited, what, "empty one of the two")
    if not verdict:
        return None
    return verdict == "ok" or (verdict == "should_be" and should_be == row["class"])


def _text(value: object) -> str:
    """What a cell says, "" for an empty one."""
    return value.strip() if isinstance(value, str) else ""


def _shown(estimate: Estimate | None) -> Json | None:
    if estimate is None:
        return None
    interval = [estimate.low, estimate.high]
    return {"value": estimate.value, "standard_error": estimate.standard_error, "interval": interval}


def review_markdown(report: Json) -> str:
    """The report as Markdown, protocol first."""
    lines = ["# Accuracy of the map", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in report["protocol"].items()]
    lines += ["", f"{report['judged']} of {report['places']} random places have a verdict.", *report["notes"]]
    lines += ["", "| | right (95 % interval) | standard error | places judged | share of the map |", "|" + " --- |" * 5]
    rows = {"all": {"users_accuracy": report["overall_accuracy"], "judged": report["judged"], "share": 1.0}}
    for name, row in (rows | report["classes"]).items():
        lines.append(f"| {name} | {_cells(row['users_accuracy'])} | {row['judged']} | {100 * row['share']:.1f} % |")
    return "\n".join([*lines, ""])


def _cells(score: Json | None) -> str:
    """A share with its interval, and its standard error."""
    if score is None:
        return "- | -"
    value, low, high = (100 * v for v in (score["value"], *score["interval"]))
    error = score["standard_error"]
    return f"{value:.1f} % ({low:.1f} to {high:.1f}) | {'not known' if error is None else f'{100 * error:.1f} %'}"

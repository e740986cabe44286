"""geoseg evaluate --from-review: how good a map is, from the verdicts on its random places.

table review, as somebody has filled it in -> random places with a verdict, by class -> shares with intervals
"""

from __future__ import annotations

from pathlib import Path

import geopandas

from geoseg.arrays import Json
from geoseg.errors import UsageError
from geoseg.gis.answers.answers import with_answers
from geoseg.gis.columns import VERDICTS
from geoseg.gis.vector_door import read_vectors, vector_layers
from geoseg.metrics.strata import Estimate, Stratum, overall_accuracy, users_accuracy
from geoseg.runfolder.folder import Run

__all__ = ["evaluate_review", "review_markdown"]

TABLE = "review"
COLUMNS = ("id", "class", "verdict", "should_be", "sampled", "stratum_pixels", "run_id")
MAKE = "give a copy of NAME.gpkg, as geoseg mosaic --review N has made it, with your verdicts"


def evaluate_review(edited: Path, run: Run | Path | None = None) -> Json:
    """Accuracy of a map from its random places with a verdict; ranked places never count.

    Args:
        edited: GeoPackage with the table `review`, with verdicts.
        run: the finished run that made it, to be sure that it did; verdicts that its answers.gpkg holds count where
            the table has none.

    Returns:
        Plain data: `overall_accuracy` and, by class, `users_accuracy`, each with value, standard error and interval,
        as shares (0 to 1); how many places there are, were judged, and still lack a verdict.

    Raises:
        UsageError: no such table, verdicts that say nothing, or places of another run.
        PlanError: the run is not finished.
    """
    frame = _table(edited)
    run_id = _run_id(edited, frame, run)
    if run is not None:
        frame = with_answers(Run.of(run), frame)
    sampled = frame[frame["sampled"].fillna(False).astype(bool)]
    if not len(sampled):
        raise UsageError(edited, "its table review holds no random places", MAKE)
    if sampled["id"].duplicated().any():
        twice = sampled.loc[sampled["id"].duplicated(), "id"].iloc[0]
        raise UsageError(edited, f"holds the place {twice} twice", "delete one of them")
    right = [_right(edited, row) for row in sampled.to_dict("records")]
    strata = _strata(sampled, right)
    judged = sum(r is not None for r in right)
    if not judged:
        raise UsageError(edited, f"none of its {len(right)} random places has a verdict", "fill in the column verdict")
    whole = sum(s.pixels for s in strata.values())
    known = sum(s.pixels for s in strata.values() if s.judged)
    return {
        "protocol": {
            "review": str(edited),
            "run_id": run_id,
            "places": "random places only (sampled), stratified by the map's classes",
            "estimator": "Olofsson et al. 2014, weighted by pixels; Wilson intervals, 95 %",
        },
        "places": len(right),
        "judged": judged,
        "without_verdict": len(right) - judged,
        "share_of_map": known / whole,
        "overall_accuracy": _shown(overall_accuracy(list(strata.values()))),
        "classes": {
            name: {
                "users_accuracy": _shown(users_accuracy(s)),
                "judged": s.judged,
                "right": s.right,
                "pixels": s.pixels,
                "share": s.pixels / whole,
            }
            for name, s in strata.items()
        },
    }


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
        expected = str(run.finished["key"])[:12]
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


def _strata(sampled: geopandas.GeoDataFrame, right: list[bool | None]) -> dict[str, Stratum]:
    """The classes of the map, in the order of their names."""
    strata = {}
    for name, places in sampled.assign(right=right).groupby("class"):
        said = [r for r in places["right"] if r is not None]
        strata[str(name)] = Stratum(int(places["stratum_pixels"].max()), len(said), sum(map(bool, said)))
    return strata


def _shown(estimate: Estimate | None) -> Json | None:
    if estimate is None:
        return None
    interval = [estimate.low, estimate.high]
    return {"value": estimate.value, "standard_error": estimate.standard_error, "interval": interval}


def review_markdown(report: Json) -> str:
    """The report as Markdown, protocol first."""
    lines = ["# Accuracy of the map", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in report["protocol"].items()]
    lines += ["", f"{report['judged']} of {report['places']} random places have a verdict."]
    if report["without_verdict"]:
        lines.append(f"{report['without_verdict']} still lack one: with them the intervals get narrower.")
    if report["share_of_map"] < 1:
        share = f"{100 * report['share_of_map']:.1f} %"
        lines.append(f"Of some classes no place has a verdict: the overall accuracy is that of {share} of the map.")
    lines += ["", "| | right (95 % interval) | standard error | places judged | share of the map |", "|" + " --- |" * 5]
    rows = {"all": {"users_accuracy": report["overall_accuracy"], "judged": report["judged"], "share": 1.0}}
    for name, row in (rows | report["classes"]).items():
        lines.append(f"| {name} | {_cells(row['users_accuracy'])} | {row['judged']} | {100 * row['share']:.1f} % |")
    return "\n".join([*lines, ""])


def _cells(score: Json | None) -> str:
    """A share with its interval, and its standard error."""
    if score is None:
        return "- | -"
    value, error, low, high = (100 * v for v in (score["value"], score["standard_error"], *score["interval"]))
    return f"{value:.1f} % ({low:.1f} to {high:.1f}) | {error:.1f} %"

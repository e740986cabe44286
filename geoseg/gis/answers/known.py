"""What answers tell about places of a new map: which need not be asked again, and which verdicts are known.

answers.gpkg -> ground that somebody has looked at; classes of the pixels of random places
"""

from __future__ import annotations

from dataclasses import dataclass, field

import geopandas
import shapely

from geoseg.gis.answers.answers import is_judged, read_answers, text_of
from geoseg.runfolder.folder import Run

__all__ = ["Known", "known_of"]

MOSTLY = 0.5
"""Share of a place's area from which on it was looked at."""


@dataclass(frozen=True)
class Known:
    """The ground that was looked at, and verdicts on random places by their id: class, verdict, should_be."""

    shapes: list[shapely.Geometry] = field(default_factory=list)
    random: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    tree: shapely.STRtree = field(default_factory=lambda: shapely.STRtree([]))

    def covers(self, place: shapely.Geometry) -> bool:
        """Whether most of a place was looked at."""
        near = [self.shapes[i] for i in self.tree.query(place).tolist()]
        if not near:
            return False
        seen = shapely.union_all([shapely.intersection(place, shape) for shape in near])
        return bool(seen.area >= MOSTLY * place.area)

    def verdict(self, name: str, now: str) -> tuple[str, str]:
        """The verdict on a random place that the map calls `now`, and what it should be; "" where that is not known."""
        if name not in self.random:
            return "", ""
        was, verdict, should_be = self.random[name]
        true = should_be or (was if verdict == "ok" else "")
        if true:
            return ("ok", "") if true == now else ("should_be", true)
        return ("wrong", "") if verdict == "wrong" and now == was else ("", "")


def known_of(run: Run, crs: str) -> Known:
    """What the answers of a run tell.

    Raises:
        UsageError: answers.gpkg cannot be read.
    """
    answers = read_answers(run, crs)
    shapes = [shapely.make_valid(s) for s in answers.shapes if s is not None]
    return Known(shapes, _random(answers.review), shapely.STRtree(shapes))


def _random(review: geopandas.GeoDataFrame) -> dict[str, tuple[str, str, str]]:
    """Verdicts on random places; of several maps the last one that was judged."""
    rows = review[review["sampled"] & is_judged(review)].sort_values("round", kind="stable").to_dict("records")
    return {row["id"]: (text_of(row["class"]), text_of(row["verdict"]), text_of(row["should_be"])) for row in rows}

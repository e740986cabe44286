"""The two tables of answers.gpkg: their columns, types and styles."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas
import numpy as np

from geoseg.gis.answers.edits import WITHDRAWN
from geoseg.gis.columns import VERDICTS
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import classes_qml

__all__ = ["EDITS", "EDIT_COLUMNS", "REVIEW", "REVIEW_COLUMNS", "ROUND", "empty_table", "layers_of", "typed"]

REVIEW, EDITS = "review", "edits"

REVIEW_COLUMNS = (
    "id", "rank", "reason", "class", "class_id", "score", "area_m2", "confidence", "verdict", "should_be", "note",
    "sampled", "stratum_pixels", "stratum_places", "map_pixels", "map_places", "run_id", "file",
)  # fmt: skip
COUNTS = ("stratum_pixels", "stratum_places", "map_pixels", "map_places")
EDIT_COLUMNS = ("layer", "id", "edit", "says", "class", "run_id", "file")
ROUND = "round"
_COLOURS = {"ok": (60, 150, 70), "wrong": (214, 40, 40), "should_be": (240, 140, 20)}
_EDIT_COLOURS = {
    "added": (30, 150, 60),
    "moved": (245, 160, 20),
    "deleted": (215, 40, 40),
    "reclassified": (60, 110, 220),
    WITHDRAWN: (150, 150, 150),
}


def empty_table(columns: Iterable[str], crs: str) -> geopandas.GeoDataFrame:
    """A table without rows."""
    return geopandas.GeoDataFrame({name: [] for name in (*columns, ROUND)}, geometry=[], crs=crs)


def typed(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """The same types of columns whatever rows there are, so that files get the same columns."""
    kinds: dict[str, type] = {
        **dict.fromkeys(("rank", "class_id", *COUNTS, ROUND), np.int64),
        **dict.fromkeys(("score", "area_m2", "confidence"), np.float64),
        "sampled": bool,
    }
    names = [n for n in frame.columns if n != frame.geometry.name]
    filled = {n: frame[n].fillna(0) for n in names if n in kinds}
    return frame.assign(**filled).astype({n: kinds.get(n, object) for n in names})


def layers_of(review: geopandas.GeoDataFrame, edits: geopandas.GeoDataFrame) -> list[Layer]:
    """Both tables, styled."""
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

"""geoseg evaluate for vectors: the layers of a run, or of any vector file, against true polygons and lines.

two files -> layers of one name -> metres on the ground -> pairs of objects -> scores of shapes, crowns and centrelines
the land cover -> checks of the coverage
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import shapely

from geoseg.arrays import Doubles, Json, Shapes
from geoseg.errors import UsageError
from geoseg.geometry.ground import metres_per_unit
from geoseg.gis.vector_door import VECTORS, read_vectors, vector_layers
from geoseg.layers import tables
from geoseg.metrics.vectors import boundary_f1, centreline_scores, crown_scores, object_scores, shape_scores
from geoseg.runfolder.folder import Run
from geoseg.vectorize.coverage import coverage_figures

__all__ = ["VECTORS", "evaluate_vectors", "vector_markdown"]

CENTRELINE_BUFFER = 1.0
"""Metres on the ground within which centrelines count as equal."""

OBJECTS = "pairs of IoU at least 0.5, each object in one pair; f1_50_95 is the mean at 0.50, 0.55 ... 0.95"


def evaluate_vectors(
    prediction: Path, reference: Path, *, radii: tuple[float, ...] = (0.5, 1.0), layer: str = "buildings"
) -> Json:
    """Scores of all layers that both files have, and checks of the land cover.

    Args:
        prediction: a finished run, or a vector file.
        reference: vector file; its layers are compared with predicted ones of the same name.
        radii: metres for the boundary F1.
        layer: the name that the only layer of a file gets, where its own name is not known.

    Raises:
        UsageError: no layer in common, or a file that cannot be read as vectors.
    """
    path = _features_of(Run(prediction)) if Run(prediction).plan_json.is_file() else prediction
    found, truth = _layers(path, layer), _layers(reference, layer)
    scored = _scored_layers()
    common = [n for n in found if n in truth and n in scored]
    if not common and "landcover" not in found:
        raise UsageError(
            reference, f"has layers {', '.join(truth)}, the prediction {', '.join(found)}", "name it with --layer"
        )
    report: Json = {
        "protocol": {
            "prediction": str(prediction),
            "reference": str(reference),
            "layers": common,
            "objects": OBJECTS,
            "truth": "objects whose inner point lies within the box around the predicted layers",
            "lengths": "metres on the ground",
            "centreline_buffer_m": CENTRELINE_BUFFER,
        },
        "layers": {},
    }
    box = _around(list(found.values()))
    for name in common:
        mine, true = _in_metres(found[name], truth[name], box)
        report["layers"][name] = _SCORES[scored[name]](mine, true, radii)
    if "landcover" in found:
        report["coverage"] = _coverage(found["landcover"])
    cleaned: Json = json.loads(json.dumps(report), parse_constant=lambda _: None)
    return cleaned


def _scored_layers() -> dict[str, str]:
    """For each layer that has scores, their name."""
    return {name: table.scores for name, table in tables().items() if table.scores}


def _around(frames: list[geopandas.GeoDataFrame]) -> shapely.Polygon:
    """The box around all features of some layers."""
    bounds = np.array([f.total_bounds for f in frames if len(f)]).reshape(-1, 4)
    return shapely.box(*bounds[:, :2].min(0), *bounds[:, 2:].max(0)) if len(bounds) else shapely.Polygon()


def _features_of(run: Run) -> Path:
    """The vector file of a finished run."""
    if run.feature_file is None:
        raise UsageError(run.folder, "has no polygons", "run geoseg mosaic without --no-vectors")
    return run.feature_file


def _layers(path: Path, single: str) -> dict[str, geopandas.GeoDataFrame]:
    """All layers with geometry by name."""
    frames = {name: read_vectors(path, name) for name in vector_layers(path)}
    if len(frames) == 1 and not set(frames) & {*_scored_layers(), "landcover"}:
        return {single: next(iter(frames.values()))}
    return frames


def _in_metres(
    found: geopandas.GeoDataFrame, truth: geopandas.GeoDataFrame, box: shapely.Polygon
) -> tuple[Shapes, Shapes]:
    """Both layers as single polygons or lines in local metres, in the CRS of the found one; truth only within `box`."""
    if truth.crs is not None and found.crs is not None and truth.crs != found.crs:
        truth = truth.to_crs(found.crs)
    middle = box.centroid
    scale = metres_per_unit(found.crs.to_wkt(), middle.x, middle.y) if found.crs is not None else 1.0

    def single(frame: geopandas.GeoDataFrame) -> Shapes:
        parts = shapely.get_parts(frame.geometry.to_numpy())
        parts = parts[~shapely.is_empty(parts)]
        return np.asarray(shapely.make_valid(parts)) if len(parts) and not shapely.is_valid(parts).all() else parts

    mine, true = single(found), single(truth)
    true = true[shapely.intersects(shapely.point_on_surface(true), box)]

    def to_metres(xy: Doubles) -> Doubles:
        return np.asarray((xy - [middle.x, middle.y]) * scale)

    return shapely.transform(mine, to_metres), shapely.transform(true, to_metres)


def _objects(found: Shapes, truth: Shapes, radii: tuple[float, ...]) -> Json:
    return {
        **object_scores(found, truth),
        "boundary_f1": {f"{r:g} m": boundary_f1(found, truth, r) for r in radii},
        **shape_scores(found, truth),
    }


def _crowns(found: Shapes, truth: Shapes, radii: tuple[float, ...]) -> Json:
    scores = _objects(found, truth, radii)
    return {k: scores[k] for k in scores if k not in ("corner_error_deg", "orientation_error_deg")} | crown_scores(
        found, truth
    )


def _lines(found: Shapes, truth: Shapes, radii: tuple[float, ...]) -> Json:
    return dict(centreline_scores(found, truth, CENTRELINE_BUFFER))


_SCORES: dict[str, Callable[[Shapes, Shapes, tuple[float, ...]], Json]] = {
    "objects": _objects,
    "crowns": _crowns,
    "lines": _lines,
}
"""Scores by the name that `layers.Table.scores` gives."""


def _coverage(frame: geopandas.GeoDataFrame) -> Json:
    """Checks of the land cover: overlap and narrow gaps, invalid polygons, and vertices per kilometre of outline."""
    shapes = frame.geometry.to_numpy()
    factor = 1.0
    if frame.crs is not None and len(shapes):
        x, y = frame.geometry.iloc[0].centroid.coords[0]
        factor = metres_per_unit(frame.crs.to_wkt(), x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        figures = coverage_figures(shapes, 0.0)
        gaps = shapely.coverage_invalid_edges(shapes, gap_width=0.1 / factor)
    length = float(shapely.length(shapes).sum()) * factor
    return {
        "polygons": figures.polygons,
        "invalid": figures.invalid,
        "overlap_m2": round(figures.overlap * factor**2, 3),
        "edges_match": figures.matched,
        "edge_at_gaps_m": round(float(shapely.length(gaps).sum()) * factor, 3),
        "vertices_per_km": round(1000 * figures.vertices / length, 1) if length else None,
    }


def vector_markdown(report: Json) -> str:
    """The report as Markdown, protocol first."""
    lines = ["# Evaluation of vectors", "", "## Protocol", ""]
    for key, value in report["protocol"].items():
        lines.append(f"- {key.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")
    coverage = {"coverage": report["coverage"]} if "coverage" in report else {}
    for name, scores in {**report["layers"], **coverage}.items():
        lines += ["", f"## {name}", "", "| score | value |", "| --- | --- |"]
        for key, value in scores.items():
            rows = [(f"{key} at {k}", v) for k, v in value.items()] if isinstance(value, dict) else [(key, value)]
            lines += [f"| {k.replace('_', ' ')} | {_show(v)} |" for k, v in rows]
    return "\n".join([*lines, ""])


def _show(value: float | int | bool | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)

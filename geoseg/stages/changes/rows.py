"""Changes as tables: attributes of both sides, what changed and how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import geopandas
import numpy as np
import pandas
import shapely

from geoseg.geometry.ground import area_factors
from geoseg.stages.changes.sides import Both

__all__ = ["KINDS", "in_words", "line_rows", "object_rows"]

KINDS = {"added": "new", "removed": "gone", "changed": "changed", "split": "split off", "merged": "merged"}
"""What can become of an object, and how it is said."""

Change = tuple[str, int, int, float]
"""Kind, number in OLD and in NEW (-1 for none), IoU."""


def in_words(layer: str, counts: Mapping[str, int]) -> str:
    """How many changes of each kind, as "12 new buildings, 3 gone"."""
    parts = [(n, KINDS[kind]) for kind, n in counts.items() if n]
    name = layer.replace("_", " ")
    if not parts:
        return f"no changes of {name}"
    number, word = parts[0]
    things = name.removesuffix("s") if number == 1 else name
    first = f"{number} {word} {things}" if word in ("new", "changed") else f"{number} {things} {word}"
    return ", ".join([first, *(f"{n} {word}" for n, word in parts[1:])])


def object_rows(
    both: Both,
    frames: tuple[geopandas.GeoDataFrame, geopandas.GeoDataFrame],
    names: tuple[pandas.DataFrame, pandas.DataFrame],
    changes: Sequence[Change],
) -> geopandas.GeoDataFrame:
    """One row for each change, in the shape of NEW, or of OLD where NEW has none.

    Args:
        both: the sides.
        frames: objects of OLD and of NEW.
        names: their `object_id` and `since`.
        changes: what changed, as of `changed_objects`.
    """
    old, new = (np.array([c[k] for c in changes], np.int64) for k in (1, 2))
    shapes = [f.geometry.to_numpy() for f in frames]
    there = np.where(new >= 0, 1, 0)
    geometry = [shapes[k][(old, new)[k][i]] for i, k in enumerate(there)]
    areas = [_areas(both, f, at) for f, at in zip(frames, (old, new), strict=True)]
    own = {
        "change": np.array([c[0] for c in changes], object),
        **{n: _newer(names, n, old, new) for n in ("object_id", "since")},
        "iou": np.round([c[3] for c in changes], 4),
        "area_difference_m2": np.round(areas[1] - areas[0], 3),
    }
    return _table(own, frames, (old, new), geometry, both.grid.crs)


def line_rows(
    both: Both,
    frames: tuple[geopandas.GeoDataFrame, geopandas.GeoDataFrame],
    changes: Sequence[tuple[str, int, object]],
) -> geopandas.GeoDataFrame:
    """One row for each stretch of road; `changes`: kind, number of its line, the stretch."""
    added = np.array([c[0] == "added" for c in changes], bool)
    number = np.array([c[1] for c in changes], np.int64)
    old, new = np.where(added, -1, number), np.where(added, number, -1)
    lines = np.array([c[2] for c in changes], object)
    middle = shapely.get_coordinates(shapely.line_interpolate_point(lines, 0.5, normalized=True)).reshape(-1, 2)
    metres = np.sqrt(area_factors(both.grid.crs, *middle.T)) if len(lines) else np.zeros(0)
    own = {
        "change": np.array([c[0] for c in changes], object),
        "stretch_m": np.round(shapely.length(lines) * metres, 2),
    }
    return _table(own, frames, (old, new), list(lines), both.grid.crs)


def _areas(both: Both, frame: geopandas.GeoDataFrame, at: np.ndarray) -> np.ndarray:
    """Square metres on the ground of the objects with these numbers, 0 for -1."""
    shapes = frame.geometry.to_numpy()
    if not len(shapes):
        return np.zeros(len(at))
    centres = shapely.get_coordinates(shapely.centroid(shapes))
    areas = shapely.area(shapes) * area_factors(both.grid.crs, *centres.T)
    return np.where(at >= 0, areas[at], 0.0)


def _newer(names: tuple[pandas.DataFrame, pandas.DataFrame], name: str, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """A column of NEW's names, of OLD's where NEW has no such object."""
    return np.array(
        [
            names[1][name].iloc[j] if j >= 0 else names[0][name].iloc[i]
            for i, j in zip(old.tolist(), new.tolist(), strict=True)
        ],
        object,
    )


def _table(
    own: dict[str, np.ndarray],
    frames: tuple[geopandas.GeoDataFrame, geopandas.GeoDataFrame],
    numbers: tuple[np.ndarray, np.ndarray],
    geometry: list[shapely.Geometry],
    crs: str,
) -> geopandas.GeoDataFrame:
    """The columns of a change, then those of both sides, in pairs."""
    plain = [_nullable(pandas.DataFrame(f.drop(columns="geometry"))) for f in frames]
    taken = [f.reindex(at) for f, at in zip(plain, numbers, strict=True)]  # no row has the number -1
    columns: dict[str, object] = dict(own)
    for name in dict.fromkeys(n for f in plain for n in f.columns):
        for frame, end in zip(taken, ("old", "new"), strict=True):
            if name in frame:
                columns[f"{name}_{end}"] = frame[name].array
    return geopandas.GeoDataFrame(columns, geometry=np.array(geometry, object), crs=crs)


def _nullable(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Whole numbers and truth values as types that can be missing, so that they stay what they are."""
    kinds = {"i": "Int64", "u": "Int64", "b": "boolean"}
    return frame.astype({n: kinds[t.kind] for n, t in frame.dtypes.items() if getattr(t, "kind", "") in kinds})

"""Objects from night to night: the name that an object keeps, and since when it is there."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas

from geoseg.gis.vector_door import read_table
from geoseg.stages.changes.objects import Matches
from geoseg.stages.changes.sides import Side

__all__ = ["CHANGES_GPKG", "OBJECTS", "carried_over", "first_names"]

CHANGES_GPKG, OBJECTS = "changes.gpkg", "objects"
"""The file in a published night's folder that tells what changed since the night before, and its table of objects."""


def first_names(side: Side, layer: str, ids: pandas.Series) -> pandas.DataFrame:
    """`id`, `object_id`, `since` of the objects of a layer, in their order.

    What the night's own changes.gpkg says of them; any other object is named after its id and the night, and is there
    since then.
    """
    own = _names(side, ids)
    known = side.folder / CHANGES_GPKG
    if not side.date or not known.is_file():
        return own
    rows = read_table(known, OBJECTS)
    rows = rows[rows["layer"] == layer].drop_duplicates("id").set_index("id").reindex(own["id"])
    told = rows["object_id"].notna().to_numpy()
    for name in ("object_id", "since"):
        own[name] = np.where(told, rows[name].to_numpy(), own[name].to_numpy())
    return own


def carried_over(
    side: Side, new: geopandas.GeoDataFrame, before: pandas.DataFrame, matches: Matches
) -> pandas.DataFrame:
    """`id`, `object_id`, `since` of NEW's objects: those of OLD's object (`before`) where one continues it."""
    names = _names(side, new["id"])
    for name in ("object_id", "since"):
        column = names[name].to_numpy(dtype=object, copy=True)
        column[matches.pairs.new] = before[name].to_numpy()[matches.pairs.old]
        names[name] = column
    return names


def _names(side: Side, ids: pandas.Series) -> pandas.DataFrame:
    """Names of objects that are seen for the first time."""
    text = ids.astype(str).to_numpy(dtype=object)
    return pandas.DataFrame(
        {
            "id": text,
            "object_id": np.array([f"{i}@{side.name}" for i in text], object),
            "since": np.full(len(text), side.date or side.name, object),
        }
    )

"""Geometries as a GeoPackage holds them (OGC 12-128r18, 2.1.3), read without GDAL: a row at a time out of SQLite."""

from __future__ import annotations

from pathlib import Path

import shapely

from geoseg.errors import UsageError

__all__ = ["shape_of"]

_ENVELOPES = (0, 32, 48, 48, 64)
"""Bytes of the box that comes before a geometry, by its code."""


def shape_of(blob: bytes | None, subject: Path) -> shapely.Geometry | None:
    """The geometry of a cell, in two dimensions; None for an empty one. A multipolygon of one polygon is that polygon.

    Raises:
        UsageError: it is no geometry that can be read, such as one with arcs.
    """
    if blob is None:
        return None
    code = blob[3] >> 1 & 7 if len(blob) > 8 and blob[:2] == b"GP" else len(_ENVELOPES)
    if code >= len(_ENVELOPES):
        raise UsageError(subject, "holds a geometry that is none of a GeoPackage", "save it again with QGIS")
    try:
        shape = shapely.force_2d(shapely.from_wkb(blob[8 + _ENVELOPES[code] :]))
    except shapely.errors.GEOSException as error:
        cure = "draw it again with straight edges"
        raise UsageError(subject, f"holds a geometry that cannot be read: {error}", cure) from error
    if shape.is_empty:
        return None
    return shape.geoms[0] if hasattr(shape, "geoms") and len(shape.geoms) == 1 else shape

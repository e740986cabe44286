"""Metres on the ground: the length of a CRS unit at a place, and areas of polygons.

A map projection stretches: Web Mercator draws Potsdam's hectares 2.7 times too large. All pixel sizes, areas and
tolerances of geoseg are metres on the ground, so CRS lengths pass through here.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Proj, Transformer

__all__ = ["area_factors", "is_geographic", "metres_per_unit"]


@lru_cache(maxsize=32)
def _tools(wkt: str) -> tuple[CRS, Proj, Transformer, float]:
    crs = CRS.from_wkt(wkt)
    unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    return crs, Proj(crs), Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True), float(unit or 1.0)


def is_geographic(wkt: str) -> bool:
    """True if a CRS (WKT) counts in degrees."""
    return bool(CRS.from_wkt(wkt).is_geographic)


def area_factors(wkt: str, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Square metres on the ground per square CRS unit (N,) at each place (x, y) of a CRS (WKT).

    A local CRS without a place on Earth (an engineering CRS) counts as true to scale.
    """
    crs, proj, to_degrees, unit = _tools(wkt)
    xs, ys = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
    if not crs.is_projected:
        return np.full(xs.shape, unit * unit)
    lon, lat = to_degrees.transform(xs, ys)
    scale = np.asarray(proj.get_factors(lon, lat).areal_scale, float)
    return unit * unit / np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)


def metres_per_unit(wkt: str, x: float, y: float) -> float:
    """Metres on the ground per CRS unit at a place (root of the area factor)."""
    return float(np.sqrt(area_factors(wkt, x, y)[0]))

"""Metres on the ground: the length of a CRS unit at a place, and areas of polygons.

A map projection stretches: Web Mercator draws Potsdam's hectares 2.7 times too large. All pixel sizes, areas and
tolerances of geoseg are metres on the ground, so CRS lengths pass through here.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Proj, Transformer
from pyproj.exceptions import CRSError
from pyproj.transformer import AreaOfInterest, TransformerGroup
from rasterio.crs import CRS as RasterioCRS

__all__ = ["area_factors", "crs_name", "horizontal", "is_geographic", "metres_per_unit", "shift_accuracy", "utm_zone"]


_UTM_NORTH = {"ETRS89": ("258", range(28, 39)), "NAD83": ("269", range(1, 24))}
"""EPSG's codes of UTM zones on other datums than WGS 84, and for which zones there are some."""


@lru_cache(maxsize=32)
def _tools(wkt: str) -> tuple[CRS, Proj, Transformer, float]:
    crs = CRS.from_wkt(wkt)
    unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    return crs, Proj(crs), Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True), float(unit or 1.0)


@lru_cache(maxsize=256)
def horizontal(wkt: str) -> str:
    """The horizontal part of a compound CRS (WKT); any other as it is."""
    if not wkt or "COMP" not in wkt[:16].upper():
        return wkt
    try:
        crs = CRS.from_wkt(wkt)
    except CRSError:
        return wkt
    parts = crs.sub_crs_list
    return str(RasterioCRS.from_wkt(parts[0].to_wkt()).to_wkt()) if crs.is_compound and parts else wkt


def utm_zone(wkt: str, x: float, y: float) -> str:
    """The EPSG code of the UTM zone of a place in a CRS of degrees, on its own datum where that has such zones."""
    lon = (x + 180) % 360 - 180
    zone = int((lon + 180) // 6) + 1
    series, zones = _UTM_NORTH.get(CRS.from_wkt(wkt).name, ("", range(0)))
    if y >= 0 and zone in zones:
        return f"EPSG:{series}{zone:02d}"
    return f"EPSG:{'326' if y >= 0 else '327'}{zone:02d}"


@lru_cache(maxsize=256)
def shift_accuracy(source: str, target: str, lon: float, lat: float) -> float | None:
    """Metres to which the best way from one CRS to another that is installed here is accurate near a place.

    0 where both have one datum; None where nobody knows.
    """
    here = AreaOfInterest(lon, lat, lon, lat)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pyproj's own, of grids that are not installed
        group = TransformerGroup(CRS.from_wkt(source), CRS.from_wkt(target), always_xy=True, area_of_interest=here)
    accuracy = group.transformers[0].accuracy if group.transformers else -1.0
    return float(accuracy) if accuracy >= 0 else None


def crs_name(wkt: str) -> str:
    """What people call a CRS (WKT): its name and code; "none" where there is none."""
    if not wkt:
        return "none"
    crs = CRS.from_wkt(wkt)
    code = crs.to_authority()
    return f"{crs.name} ({':'.join(code)})" if code else str(crs.name)


def is_geographic(wkt: str) -> bool:
    """True if a CRS (WKT) counts in degrees."""
    return bool(CRS.from_wkt(wkt).is_geographic)


def area_factors(wkt: str, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Square metres on the ground per square CRS unit (N,) at each place (x, y) of a CRS (WKT).

    A local CRS without a place on Earth (an engineering CRS) counts as true to scale. In a CRS of degrees a square
    degree is as large as on its ellipsoid (Snyder 1987, Map Projections: A Working Manual, eqs. 4-18 to 4-20).
    """
    crs, proj, to_degrees, unit = _tools(wkt)
    xs, ys = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
    if crs.is_geographic and crs.ellipsoid is not None:
        axis, inverse = crs.ellipsoid.semi_major_metre, crs.ellipsoid.inverse_flattening
        flat = 1 / inverse if inverse else 0.0  # a sphere
        square = flat * (2 - flat)
        bend = 1 - square * np.sin(ys * unit) ** 2
        return np.asarray(unit**2 * axis**2 * (1 - square) / bend**2 * np.cos(ys * unit), np.float64)
    if not crs.is_projected:
        return np.full(xs.shape, unit * unit)
    lon, lat = to_degrees.transform(xs, ys)
    scale = np.asarray(proj.get_factors(lon, lat).areal_scale, float)
    return unit * unit / np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)


def metres_per_unit(wkt: str, x: float, y: float) -> float:
    """Metres on the ground per CRS unit at a place (root of the area factor)."""
    return float(np.sqrt(area_factors(wkt, x, y)[0]))

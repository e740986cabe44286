"""The place of a sheet on the grid, and which sheets have none. The headers alone decide; no file is opened."""

from __future__ import annotations

import logging
import math
from functools import lru_cache
from pathlib import Path

import pyproj
from pyproj.exceptions import CRSError, ProjError
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from geoseg.errors import SheetError
from geoseg.geometry.grid import Grid, is_nearly_square, same_crs
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Header, Sheet, transform_of
from geoseg.sheets.decoder import sheet_stat

__all__ = [
    "FARTHEST",
    "Found",
    "bounds_in",
    "crs_fault",
    "crs_name",
    "degrees_of",
    "pixel_side",
    "pixel_size",
    "place_sheet",
    "upright_transform",
]

log = logging.getLogger(__name__)


Found = list[tuple[Path, Header]]
"""Sheets with their headers."""
Box = tuple[float, float, float, float]
"""(left, bottom, right, top)."""

ZONE_PREFIXED = {31: "EPSG:5649", 32: "EPSG:4647", 33: "EPSG:5650"}
"""ETRS89 / UTM with the zone number before the easting, by zone."""
NEARBY = 1.0
"""Degrees outside the area of use of a CRS that are still accepted."""
FARTHEST = 1e8
"""CRS units from the origin: more than any place on Earth has, zone numbers before the easting included."""
COARSEST = 16.0
"""How many times larger or smaller than the grid's pixels those of a sheet may be; others would take all memory."""


def crs_name(wkt: str) -> str:
    """The EPSG code of a CRS where there is one, otherwise its name."""
    try:
        crs = pyproj.CRS.from_wkt(wkt)
    except CRSError:
        return "an unknown CRS"
    code = crs.to_authority()
    return ":".join(code) if code else str(crs.name)


@lru_cache(maxsize=256)
def crs_fault(wkt: str) -> str:
    """Why no map can be made in a CRS; "" where one can: it is horizontal, and PROJ knows where on its body it lies."""
    try:
        crs = pyproj.CRS.from_wkt(wkt)
        flat = crs.sub_crs_list[0] if crs.is_compound and crs.sub_crs_list else crs
        if flat.is_geocentric or not (flat.is_projected or flat.is_geographic or flat.is_derived):
            return f"is in {crs_name(wkt)} ({flat.type_name}), expected a projected CRS"
        pyproj.Transformer.from_crs(flat, flat.geodetic_crs)
    except (CRSError, ProjError) as error:
        return f"is in a CRS that PROJ cannot use: {_first_words(error)}"
    return ""


def pixel_side(transform: Affine) -> float:
    """Side of a square as large as one pixel, in CRS units."""
    return math.sqrt(abs(transform.determinant))


def pixel_size(header: Header) -> tuple[float, float]:
    """Width and height of the pixels that a sheet wants of its grid, to nine digits, so that noise does not count.

    Those of the file where it is north-up or south-up and its pixels are nearly square, else a square of their area.
    """
    t = upright_transform(header)
    own = t.b == t.d == 0 and t.a > 0 > t.e and is_nearly_square(t)
    wide, high = (t.a, -t.e) if own else (pixel_side(t),) * 2
    return float(f"{wide:.9g}"), float(f"{high:.9g}")


def upright_transform(header: Header) -> Affine:
    """The geotransform of a sheet, turned north-up where it is simply south-up."""
    t = transform_of(header)
    if t.b == 0 and t.d == 0 and t.e > 0 and t.a > 0:
        return Affine(t.a, 0, t.c, 0, -t.e, t.f + t.e * header.height)
    return t


def _own_bounds(path: Path, header: Header) -> Box:
    """The box of a sheet in its own CRS.

    Raises:
        SheetError: no place on Earth has such coordinates.
    """
    t = transform_of(header)
    corners = [t @ (c, r) for c in (0, header.width) for r in (0, header.height)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    own = (min(xs), min(ys), max(xs), max(ys))
    if max(map(abs, own)) > FARTHEST:
        what = f"lies at {own[0]:g}, {own[3]:g} (left, top), which is nowhere in {crs_name(header.crs)}"
        raise SheetError(path, what, "correct its geotransform with gdal_edit -a_ullr")
    _check_prefix(path, header.crs, own)
    return own


@lru_cache(maxsize=256)
def _utm_zone(wkt: str) -> int:
    """The zone number of a CRS of UTM whose eastings do not begin with it; 0 for any other."""
    crs = pyproj.CRS.from_wkt(wkt)
    zone = crs.utm_zone or ""
    operation = crs.coordinate_operation
    eastings = [float(p.value) for p in operation.params if p.name == "False easting"] if operation else []
    return int(zone[:-1]) if zone and eastings == [500_000.0] else 0


def _check_prefix(path: Path, wkt: str, own: Box) -> None:
    """Refuse eastings that begin with the number of the zone in a CRS that has them without.

    Raises:
        SheetError: names the CRS that they are in.
    """
    if own[0] < 1e6:
        return
    zone = _utm_zone(wkt)
    if zone and int(own[0] // 1e6) == zone:
        prefixed = ZONE_PREFIXED.get(zone) if crs_name(wkt) == f"EPSG:258{zone}" else None
        what = f"has the easting {own[0]:.0f}, which begins with the zone number; those of {crs_name(wkt)} do not"
        shift = f"subtract {zone},000,000 from its easting with gdal_edit -a_ullr"
        cure = f"it is in {prefixed}: gdal_edit -a_srs {prefixed}" if prefixed else shift
        raise SheetError(path, what, cure)


def bounds_in(crs: str, path: Path, header: Header) -> Box:
    """The box of a sheet in a CRS.

    Raises:
        SheetError: the sheet cannot be projected there.
    """
    own = _own_bounds(path, header)
    _check_reach(crs, path, header, own)
    if same_crs(header.crs, crs):
        return own
    cannot = f"cannot be projected to {crs_name(crs)}"
    try:
        left, bottom, right, top = transform_bounds(header.crs, crs, *own, densify_pts=21)
    except Exception as error:  # GDAL's own classes have no public root
        raise SheetError(path, f"{cannot}: {_first_words(error)}", "plan a separate run for it") from error
    if not all(math.isfinite(v) for v in (left, bottom, right, top)):
        raise SheetError(path, cannot, "plan a separate run for it")
    return left, bottom, right, top


def _first_words(error: Exception) -> str:
    """The first 200 characters of what GDAL or PROJ says, without the whole CRS that it may quote."""
    text = " ".join(str(error).split()).partition("{")[0].partition("PROJCRS[")[0].strip(" :'")
    return text if len(text) <= 200 else f"{text[:200]}..."


@lru_cache(maxsize=64)
def _area_of_use(crs: str) -> Box | None:
    """The area that a CRS is made for (west, south, east, north), in degrees; None where it is unknown."""
    code = pyproj.CRS.from_wkt(crs).to_authority()  # the WKT itself rarely tells
    area = pyproj.CRS.from_authority(*code).area_of_use if code else None
    return None if area is None else (area.west, area.south, area.east, area.north)


def _check_reach(crs: str, path: Path, header: Header, own: Box) -> None:
    """Refuse a sheet that lies outside the area that the grid's CRS is made for, such as another UTM zone."""
    area = _area_of_use(crs)
    if area is None:
        return
    try:
        west, south, east, north = transform_bounds(header.crs, "EPSG:4326", *own)
    except Exception as error:  # GDAL's own classes have no public root
        what = f"is in {crs_name(header.crs)}, which cannot be placed on Earth"
        raise SheetError(path, what, "plan a run of its own for it, or check its CRS and geotransform") from error
    if west > east:  # across the antimeridian
        east += 360
    lon, lat = ((west + east) / 2 + 180) % 360 - 180, (south + north) / 2
    first, lowest, last, highest = area
    after, before = lon >= first - NEARBY, lon <= last + NEARBY
    within = (after and before) if first <= last else (after or before)
    if not within or not lowest - NEARBY <= lat <= highest + NEARBY:
        own_name = crs_name(header.crs)
        what = f"is in {own_name} at {lon:.2f} E, {lat:.2f} N, outside the area of the grid's {crs_name(crs)}"
        raise SheetError(path, what, f"plan a separate run for the sheets in {own_name}")


def degrees_of(sheet: Sheet) -> tuple[float, float]:
    """Longitude and latitude of the middle of a sheet, to a tenth of a degree."""
    header = sheet.header
    x, y = transform_of(header) @ (header.width / 2, header.height / 2)
    lon, lat = pyproj.Transformer.from_crs(sheet.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return round(lon, 1), round(lat, 1)


def place_sheet(path: Path, header: Header, grid: Grid, patience: float = READ_TIMEOUT) -> Sheet:
    """A sheet with its place on the grid: as it lies (direct, flipped), or where it will be warped to.

    `patience`: seconds that the server of a remote one may take.

    Raises:
        SheetError: it cannot be projected there, or lies far outside the grid's CRS.
    """
    own = header.crs
    _check_reach(grid.crs, path, header, _own_bounds(path, header))
    stat = sheet_stat(path, patience)
    upright = upright_transform(header)
    window = grid.place(upright, header.width, header.height, own)
    if window is not None:
        mode = "direct" if upright == transform_of(header) else "flipped"
    else:
        box = bounds_in(grid.crs, path, header)
        mode, window = "warped", grid.covering(*box)
        _check_size(path, header, grid, window)
        log.info("%s is off the grid (%s) and will be warped on the fly", path.name, _why(header, grid, own))
    return Sheet(str(path), stat, header, own, mode, window)


def _check_size(path: Path, header: Header, grid: Grid, window: Window) -> None:
    """Refuse a sheet whose pixels have nothing to do with the grid's."""
    ratio = math.sqrt(window.width * window.height / (header.width * header.height))
    small = min(header.width, header.height) < COARSEST  # its window is rounded up to whole pixels
    if ratio > COARSEST or (ratio < 1 / COARSEST and not small):
        what = (
            f"has pixels {ratio:.3g} times as wide as the grid's ({grid.side:g}), "
            f"expected at most {COARSEST:g} times larger or smaller"
        )
        raise SheetError(path, what, "plan a separate run for it")


def _why(header: Header, grid: Grid, crs: str) -> str:
    """Why a sheet does not lie on the grid."""
    t = transform_of(header)
    if not same_crs(crs, grid.crs):
        return f"CRS {crs_name(crs)}"
    if t.b or t.d:
        return "rotated"
    if not math.isclose(abs(t.a), grid.pixel, rel_tol=1e-6) or not math.isclose(abs(t.e), grid.pixel_y, rel_tol=1e-6):
        return f"pixels of {abs(t.a):.9g} x {abs(t.e):.9g} instead of {grid.pixel:.9g} x {grid.pixel_y:.9g}"
    return "shifted by a part of a pixel"

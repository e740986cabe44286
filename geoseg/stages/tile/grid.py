"""The grid of a run: the CRS, pixel size and phase of most sheets. The headers alone decide; no file is opened."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TypeVar

from rasterio.crs import CRS
from rasterio.errors import CRSError as RasterioCRSError

from geoseg.errors import SheetError, UsageError
from geoseg.geometry.grid import Grid, is_nearly_square, same_crs
from geoseg.geometry.ground import horizontal, is_geographic, metres_per_unit, utm_zone
from geoseg.plan import Header, transform_of
from geoseg.sheets.place import (
    FARTHEST,
    Found,
    bounds_in,
    crs_fault,
    crs_name,
    pixel_side,
    pixel_size,
    upright_transform,
)

__all__ = ["choose_grid", "crs_wkt", "ground_gsd"]


Key = TypeVar("Key")


def crs_wkt(text: str) -> str:
    """WKT of a CRS as users name it: EPSG:25833, 25833, WKT or PROJ text.

    Raises:
        UsageError: GDAL or PROJ does not know it.
    """
    try:
        wkt = horizontal(str(CRS.from_user_input(int(text) if text.isdigit() else text).to_wkt()))
        if fault := crs_fault(wkt):
            raise UsageError("--crs", f"{text!r} {fault}", "for instance EPSG:25833")
        return wkt
    except (RasterioCRSError, ValueError) as error:
        raise UsageError("--crs", f"{text!r} is not a CRS: {error}", "for instance EPSG:25833") from error


def ground_gsd(header: Header, crs: str) -> float:
    """Metres on the ground per pixel at a sheet's centre."""
    transform = transform_of(header)
    x, y = transform @ (header.width / 2, header.height / 2)
    return pixel_side(transform) * metres_per_unit(crs, x, y)


def _majority(keys: list[Key]) -> Key:
    """The most frequent key; the first of equals."""
    return Counter(keys).most_common(1)[0][0]


def choose_grid(
    found: Found, crs: str = "", gsd: float | None = None, anchor: tuple[float, float] | None = None
) -> Grid:
    """The grid of a run: CRS, pixel size and phase of most sheets, anchored at the upper left of those that lie on it.

    Args:
        found: headers, all with a CRS.
        crs: another CRS, as WKT; "" for that of most sheets.
        gsd: another pixel size, in metres on the ground; None for that of most sheets.
        anchor: another anchor (x, y) in that CRS, moved to the nearest pixel's corner; None for where the sheets begin.

    Raises:
        UsageError: a CRS in degrees, no sheet that can be projected to it, or an anchor nowhere near the sheets.
    """
    grid = _majority_grid(found, crs, gsd)
    if anchor is None:
        return grid
    steps = (anchor[0] - grid.x0) / grid.pixel, (grid.y0 - anchor[1]) / grid.pixel_y
    if not all(math.isfinite(n) and abs(n) <= FARTHEST for n in steps):
        where = f"{grid.x0:.2f},{grid.y0:.2f}"
        raise UsageError("--anchor", f"{anchor}, but the sheets begin at {where}", "name x,y in the grid's CRS")
    right, down = round(steps[0]), round(steps[1])
    return replace(grid, x0=grid.x0 + right * grid.pixel, y0=grid.y0 - down * grid.pixel_y)


def _majority_grid(found: Found, crs: str, gsd: float | None) -> Grid:
    """The grid, anchored where the sheets begin."""
    chosen = crs or _majority([h.crs for _, h in found])
    found = _reachable(chosen, found)  # the others are quarantined when they are placed
    if is_geographic(chosen):
        what = f"is in {crs_name(chosen)}, whose unit is degrees; expected a projected CRS"
        path, header = found[0]
        zone = utm_zone(chosen, *(transform_of(header) @ (header.width / 2, header.height / 2)))
        cure = f"name one, such as the UTM zone there: --crs {zone}; sheets are then warped on the fly"
        raise UsageError(path, what, cure)
    native = [(p, h) for p, h in found if same_crs(h.crs, chosen)]
    boxes = [bounds_in(chosen, p, h) for p, h in found]
    left, _, _, top = boxes[0]
    if native:
        size = _majority([pixel_size(h) for _, h in native])
    else:  # all are warped: their size on the ground, where the first one lies
        size = (ground_gsd(found[0][1], found[0][1].crs) / metres_per_unit(chosen, left, top),) * 2
    if gsd is not None and abs(gsd / (math.sqrt(math.prod(size)) * metres_per_unit(chosen, left, top)) - 1) > 0.01:
        size = (gsd / metres_per_unit(chosen, left, top),) * 2
    wide, high = size
    same = [upright_transform(h) for _, h in native if pixel_size(h) == size]
    if same:
        if same[0].b == same[0].d == 0 and same[0].a > 0 > same[0].e and is_nearly_square(same[0]):
            wide, high = same[0].a, -same[0].e
        phase = _majority([(_share(t.c / wide), _share(t.f / high)) for t in same])
        fits = [t for t in same if (_share(t.c / wide), _share(t.f / high)) == phase]
        return Grid(chosen, min(t.c for t in fits), max(t.f for t in fits), wide, high)
    left, top = min(b[0] for b in boxes), max(b[3] for b in boxes)
    return Grid(chosen, math.floor(left / wide) * wide, math.ceil(top / high) * high, wide, high)


def _reachable(crs: str, found: Found) -> Found:
    """The sheets that can be projected to a CRS.

    Raises:
        UsageError: none can; says why the first cannot.
    """
    kept: Found = []
    first: SheetError | None = None
    for path, header in found:
        try:
            bounds_in(crs, path, header)
            kept.append((path, header))
        except SheetError as error:
            first = first or error
    if not kept and first is not None:
        raise UsageError(first.subject, f"{first.what}; no other sheet can be used either", first.cure) from first
    return kept


def _share(value: float) -> int:
    """Position within a pixel, in hundredths of it."""
    return round((value % 1) * 100) % 100

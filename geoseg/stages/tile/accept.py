"""Which sheets a run can use: each step gives those that it lets pass, and the others with reason and cure.

headers that can be read -> georeferenced -> alike -> on the grid -> near the others -> not known to be damaged
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from geoseg.errors import SheetError, UsageError
from geoseg.geometry.grid import Grid
from geoseg.geometry.ground import metres_per_unit
from geoseg.plan import Header, Plan, Quarantined, Sheet
from geoseg.sheets.decoder import PixelRequest, decoder
from geoseg.stages.tile.place import Found, place_sheet

__all__ = [
    "alike",
    "georeferenced",
    "headers_of",
    "near",
    "nothing_left",
    "placed_on",
    "still_damaged",
    "undeclared_border",
]

log = logging.getLogger(__name__)

FARTHEST = 100_000.0
"""Metres on the ground between the sheet in the middle and any other."""


def headers_of(paths: list[Path], read_timeout: float) -> tuple[Found, list[Quarantined]]:
    """Sheets whose header can be read, and whose name can be written down."""
    found: Found = []
    refused: list[Quarantined] = []
    for path in paths:
        name = str(path).encode(errors="backslashreplace").decode()
        if name != str(path):
            reason = "has a name that is not UTF-8, which neither JSON nor a GeoPackage can hold"
            refused.append(Quarantined(name, reason, "rename it"))
            continue
        try:
            found.append((path, decoder().header(path, patience=read_timeout)))
        except SheetError as error:
            refused.append(_quarantined(error))
    return found, refused


def georeferenced(found: Found, crs: str) -> tuple[Found, list[Quarantined]]:
    """Sheets that say where they lie, or are told by --crs."""
    kept: Found = []
    refused: list[Quarantined] = []
    for path, header in found:
        if not header.georeferenced:
            reason = "has no georeference (no geotransform, no .tfw beside it)"
            refused.append(Quarantined(str(path), reason, "add one with gdal_edit -a_ullr, or a .tfw"))
        elif not (header.crs or crs):
            refused.append(Quarantined(str(path), "has no CRS", "name it with --crs EPSG:..."))
        else:
            kept.append((path, replace(header, crs=header.crs or crs)))
    return kept, refused


def alike(found: Found, bands: tuple[int, ...]) -> tuple[Found, list[Quarantined]]:
    """Sheets of the majority's data type that hold the bands asked for (or as many as the majority)."""
    if not found:
        return [], []
    dtype = Counter(h.dtype for _, h in found).most_common(1)[0][0]
    count = Counter(_colour_bands(h) for _, h in found if h.dtype == dtype).most_common(1)[0][0]
    kept: Found = []
    refused: list[Quarantined] = []
    for path, header in found:
        if header.dtype != dtype:
            refused.append(
                Quarantined(
                    str(path), f"is {header.dtype}, most sheets are {dtype}", "convert it, or make a run of its own"
                )
            )
        elif bands and max(bands) > header.bands:
            refused.append(
                Quarantined(str(path), f"has {header.bands} bands, --bands asks for band {max(bands)}", "leave it out")
            )
        elif not bands and _colour_bands(header) != count:
            reason = f"has {_colour_bands(header)} bands, most sheets have {count}"
            refused.append(Quarantined(str(path), reason, "pick common bands with --bands, or make a run of its own"))
        else:
            kept.append((path, header))
    return kept, refused


def _colour_bands(header: Header) -> int:
    return sum(m != "alpha" for m in header.meanings)


def placed_on(found: Found, grid: Grid) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets that can be laid on the grid: as they are, flipped, or warped."""
    placed: list[Sheet] = []
    refused: list[Quarantined] = []
    for path, header in found:
        try:
            placed.append(place_sheet(path, header, grid))
        except SheetError as error:
            refused.append(_quarantined(error))
    return placed, refused


def near(placed: list[Sheet], grid: Grid) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets at most `FARTHEST` metres from the one in their middle: a raster over all others would hold next to nothing."""
    if not placed:
        return [], []
    centres = np.array(
        [(s.window.col_off + s.window.width / 2, s.window.row_off + s.window.height / 2) for s in placed]
    )
    middle = centres[np.abs(centres - np.median(centres, axis=0)).sum(1).argmin()]
    x, y = grid.transform @ tuple(middle)
    metres = np.abs(centres - middle).max(1) * grid.pixel * metres_per_unit(grid.crs, x, y)
    kept = [s for s, m in zip(placed, metres, strict=True) if m <= FARTHEST]
    what, cure = (
        "lies {:,.0f} km from the middle of the others",
        "check its geotransform, or make a run of its own for it",
    )
    refused = [
        Quarantined(s.path, what.format(m / 1000), cure) for s, m in zip(placed, metres, strict=True) if m > FARTHEST
    ]
    return kept, refused


def still_damaged(placed: list[Sheet], earlier: Plan) -> tuple[list[Sheet], list[Quarantined]]:
    """(sheets to use, sheets set aside): those whose pixels could not be read, and that nobody has written since, stay out."""
    known = {(q.path, q.stat): q for q in earlier.quarantined if q.stat is not None}
    damaged = [known[s.path, s.stat] for s in placed if (s.path, s.stat) in known]
    out = {q.path for q in damaged}
    return [s for s in placed if s.path not in out], damaged


def undeclared_border(sheet: Sheet) -> int | None:
    """255 or 0 if a sample of at most three blocks shows a large, nearly white or black area; None otherwise."""
    header = sheet.header
    if (
        header.mask != "none"
        or header.nodata is not None
        or header.dtype != "uint8"
        or min(header.width, header.height) < 32
    ):
        return None
    bands = tuple(i + 1 for i, m in enumerate(header.meanings) if m != "alpha")[:3]
    high, wide = min(512, header.height), min(512, header.width)
    try:
        for row, col in ((0, 0), (0, header.width - wide), (header.height - high, 0)):
            rows, cols = slice(row, row + high), slice(col, col + wide)
            pixels = decoder().read(PixelRequest(Path(sheet.path), sheet.stat, bands, rows, cols))
            edges = pixels[:, 0 if row == 0 else -1], pixels[:, :, 0 if col == 0 else -1]  # the sheet's own
            for value, low, top in ((255, 243, 255), (0, 0, 3)):
                flat, *along = (((p >= low) & (p <= top)).all(0).mean() for p in (pixels, *edges))
                if flat > 0.1 and max(along) > 0.1:
                    return value
    except SheetError as error:
        log.warning("%s", error)
    return None


def usable(
    found: Found, refused: list[Quarantined], crs: str, bands: tuple[int, ...]
) -> tuple[Found, list[Quarantined]]:
    """Sheets that have a place and look like the others, and all that were refused so far.

    Raises:
        UsageError: no sheet is left.
    """
    found, nowhere = georeferenced(found, crs)
    found, aliens = alike(found, bands)
    refused = refused + nowhere + aliens
    if not found:
        raise nothing_left(refused)
    return found, refused


def placed(found: Found, refused: list[Quarantined], grid: Grid) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets on the grid and not far from the others, and all that were refused so far."""
    on_grid, lost = placed_on(found, grid)
    kept, far = near(on_grid, grid)
    return kept, refused + lost + far


def check_left(kept: list[Sheet], refused: list[Quarantined], *, strict: bool) -> None:
    """End here where nothing can be planned.

    Raises:
        SheetError: a sheet was refused, and `strict` allows none.
        UsageError: no sheet is left.
    """
    if strict and refused:
        first = refused[0]
        raise SheetError(first.path, first.reason, first.cure)
    if not kept:
        raise nothing_left(refused)


def nothing_left(refused: list[Quarantined]) -> UsageError:
    """The error of a run none of whose sheets can be used: it names the first."""
    first = refused[0]
    return UsageError(first.path, f"{first.reason}; none of {len(refused)} sheets can be used", first.cure)


def _quarantined(error: SheetError) -> Quarantined:
    return Quarantined(error.subject, error.what, error.cure)

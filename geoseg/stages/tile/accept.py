"""Which sheets a run can use. Each step gives the sheets that pass it, and the others with reason and cure.

headers that can be read -> georeferenced -> alike -> on the grid -> near the others -> not known to be damaged
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from geoseg.errors import SheetError, UsageError
from geoseg.geometry.grid import Grid
from geoseg.geometry.ground import metres_per_unit
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Header, Plan, Quarantined, Sheet
from geoseg.sheets.bands import bands_in_words, is_mask, without_alpha
from geoseg.sheets.decoder import PixelRequest, decoder, sheet_stat
from geoseg.sheets.place import Found, crs_fault, place_sheet

__all__ = [
    "alike",
    "check_left",
    "georeferenced",
    "near",
    "nothing_left",
    "place_on",
    "placed",
    "read_headers",
    "settle_alpha",
    "still_damaged",
    "usable",
]

log = logging.getLogger(__name__)

SAMPLE = 128
"""Side in pixels of the squares that are looked at in an alpha band."""


def read_headers(
    paths: list[Path], read_timeout: float, folders: list[str] | None = None, *, remote: bool = False
) -> tuple[Found, list[Quarantined]]:
    """Sheets whose header can be read within some seconds, and whose name can be written down.

    `folders`: where sources of virtual rasters may lie; None: there may be none. `remote`: whether there may be
    addresses.
    """
    found: Found = []
    refused: list[Quarantined] = []
    for path in paths:
        name = str(path).encode(errors="backslashreplace").decode()
        if name != str(path):
            reason = "has a name that is not UTF-8, which neither JSON nor a GeoPackage can hold"
            cure = "rename it" if sys.getfilesystemencoding() == "utf-8" else "start Python with PYTHONUTF8=1"
            refused.append(Quarantined(name, reason, cure))
            continue
        try:
            found.append((path, decoder().header(path, folders=folders, remote=remote, patience=read_timeout)))
        except SheetError as error:
            refused.append(_quarantine(error))
    return found, refused


def settle_alpha(
    found: Found, refused: list[Quarantined], choice: str, earlier: Plan | None, read_timeout: float
) -> tuple[Found, list[Quarantined], list[tuple[Path, str]]]:
    """Sheets with their alpha band as a mask or as data; those refused so far; those that were found to hold data.

    Args:
        found: headers as the files give them.
        refused: sheets that were refused before.
        choice: "mask" or "none"; "auto" looks at a sample of each alpha band, once for each version of a file.
        earlier: plan whose decisions are kept.
        read_timeout: seconds that a sample may take.
    """
    known = {(s.path, s.stat): s.header.mask for s in earlier.sheets} if earlier and earlier.alpha == choice else {}
    kept: Found = []
    told: list[tuple[Path, str]] = []
    for path, header in found:
        if header.mask == "alpha" and choice != "mask":
            try:
                before = known.get((str(path), sheet_stat(path, read_timeout))) if known else None
                data = choice == "none" or before == "none"
                data = data or (before is None and _holds_data(path, header, read_timeout))
            except SheetError as error:
                refused = [*refused, _quarantine(error)]
                continue
            if data:
                header = without_alpha(header)
                told.append((path, bands_in_words(header)))
        kept.append((path, header))
    return kept, refused, told if choice == "auto" else []


def _holds_data(path: Path, header: Header, read_timeout: float) -> bool:
    """Whether the alpha band of a sheet holds more values than any mask: looks at squares along its diagonals.

    Raises:
        SheetError: it cannot be read.
    """
    band = (header.meanings.index("alpha") + 1,)
    high, wide = min(SAMPLE, header.height), min(SAMPLE, header.width)
    stat = sheet_stat(path, read_timeout)
    parts = []
    for down, right in ((0.5, 0.5), (0.2, 0.2), (0.2, 0.8), (0.8, 0.2), (0.8, 0.8)):
        row, col = int(down * (header.height - high)), int(right * (header.width - wide))
        rows, cols = slice(row, row + high), slice(col, col + wide)
        wanted = PixelRequest(path, stat, band, rows, cols, patience=read_timeout, virtual=header.virtual)
        parts.append(decoder().read(wanted))
    return not is_mask(np.stack(parts))


def georeferenced(found: Found, crs: str, *, override: bool = False) -> tuple[Found, list[Quarantined]]:
    """Sheets that say where they lie.

    `crs` (WKT, "" for none) is that of sheets that name none, or one that nobody knows; with `override` of all sheets.
    """
    kept: Found = []
    refused: list[Quarantined] = []
    for path, header in found:
        if crs and (override or not header.crs or crs_fault(header.crs)):
            header = replace(header, crs=crs)
        if not header.georeferenced:
            reason = "has no georeference (no geotransform, no .tfw beside it)"
            refused.append(Quarantined(str(path), reason, "add one with gdal_edit -a_ullr, or a .tfw"))
        elif not header.crs:
            refused.append(Quarantined(str(path), "has no CRS", "name it with --crs EPSG:..."))
        elif fault := crs_fault(header.crs):
            cure = "name the CRS that it is really in with --crs EPSG:..."
            refused.append(Quarantined(str(path), fault, cure))
        else:
            kept.append((path, header))
    return kept, refused


def alike(found: Found, bands: tuple[int, ...]) -> tuple[Found, list[Quarantined]]:
    """Sheets of the most frequent data type that hold the bands asked for, or as many bands as most sheets.

    Where some have colours, those of one or two bands have no vote: they are masks, heights or labels beside photos.
    """
    if not found:
        return [], []
    needed = max(bands) if bands else min(3, max(_colour_bands(h) for _, h in found))
    voters = [h for _, h in found if _colour_bands(h) >= needed] or [h for _, h in found]
    dtype = Counter(h.dtype for h in voters).most_common(1)[0][0]
    count = Counter(_colour_bands(h) for h in voters if h.dtype == dtype).most_common(1)[0][0]
    kept: Found = []
    refused: list[Quarantined] = []
    for path, header in found:
        if header.dtype != dtype:
            reason = f"is {header.dtype}, most sheets are {dtype}"
            refused.append(Quarantined(str(path), reason, "convert it, or plan a separate run for it"))
        elif bands and max(bands) > header.bands:
            reason = f"has {header.bands} bands, --bands asks for band {max(bands)}"
            refused.append(Quarantined(str(path), reason, "leave it out"))
        elif not bands and _colour_bands(header) != count:
            reason = f"has {_colour_bands(header)} bands, most sheets have {count}"
            refused.append(
                Quarantined(str(path), reason, "pick common bands with --bands, or plan a separate run for it")
            )
        else:
            kept.append((path, header))
    return kept, refused


def _colour_bands(header: Header) -> int:
    """The number of bands that are no alpha."""
    return sum(m != "alpha" for m in header.meanings)


def place_on(found: Found, grid: Grid, read_timeout: float = READ_TIMEOUT) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets that can be laid on the grid: as they are, flipped, or warped."""
    kept: list[Sheet] = []
    refused: list[Quarantined] = []
    for path, header in found:
        try:
            kept.append(place_sheet(path, header, grid, read_timeout))
        except SheetError as error:
            refused.append(_quarantine(error))
    return kept, refused


def near(placed: list[Sheet], grid: Grid, farthest: float | None) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets at most so many metres from the one in their middle; all of them where nobody asked."""
    if not placed or farthest is None:
        return placed, []
    windows = [s.window for s in placed]
    centres = np.array([(w.col_off + w.width / 2, w.row_off + w.height / 2) for w in windows])
    middle = centres[np.abs(centres - np.median(centres, axis=0)).sum(1).argmin()]
    x, y = grid.transform @ tuple(middle)
    metres = np.abs(centres - middle).max(1) * grid.side * metres_per_unit(grid.crs, x, y)
    kept = [s for s, m in zip(placed, metres, strict=True) if m <= farthest]
    far = [(s, m) for s, m in zip(placed, metres, strict=True) if m > farthest]
    cure = "check its geotransform, or plan a separate run for it"
    return kept, [Quarantined(s.path, f"lies {m / 1000:,.0f} km from the middle of the others", cure) for s, m in far]


def still_damaged(placed: list[Sheet], earlier: Plan) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets whose pixels could be read so far. Damaged ones stay out until their file is written again."""
    known = {(q.path, q.stat): q for q in earlier.quarantined if q.stat is not None}
    damaged = [known[s.path, s.stat] for s in placed if (s.path, s.stat) in known]
    out = {q.path for q in damaged}
    return [s for s in placed if s.path not in out], damaged


def usable(
    found: Found, refused: list[Quarantined], crs: str, bands: tuple[int, ...], *, override: bool = False
) -> tuple[Found, list[Quarantined]]:
    """Sheets that have a place and look like the others, and all sheets that were refused so far.

    Raises:
        UsageError: no sheet is left.
    """
    found, nowhere = georeferenced(found, crs, override=override)
    found, aliens = alike(found, bands)
    refused = refused + nowhere + aliens
    if not found:
        raise nothing_left(refused)
    return found, refused


def placed(
    found: Found,
    refused: list[Quarantined],
    grid: Grid,
    farthest: float | None = None,
    read_timeout: float = READ_TIMEOUT,
) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets on the grid and not further than asked from the others, and all sheets that were refused so far."""
    on_grid, lost = place_on(found, grid, read_timeout)
    kept, far = near(on_grid, grid, farthest)
    return kept, refused + lost + far


def check_left(kept: list[Sheet], refused: list[Quarantined], *, strict: bool) -> None:
    """Check that there is something to plan.

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
    """The error of a run without a usable sheet; it names the first sheet."""
    first = refused[0]
    return UsageError(first.path, f"{first.reason}; none of {len(refused)} sheets can be used", first.cure)


def _quarantine(error: SheetError) -> Quarantined:
    return Quarantined(error.subject, error.what, error.cure)

"""What decides whether sheets can be read side by side: their real blocks, and what lies over them."""

from __future__ import annotations

from pathlib import Path

from rasterio.windows import Window

from geoseg.geometry.grid import overlap
from geoseg.plan import Sheet
from geoseg.sheets.decoder import decoder

__all__ = ["apart", "real_block"]


def real_block(sheet: Sheet, known: dict[str, tuple[int, int]], patience: float) -> tuple[int, int]:
    """Rows and columns of a sheet's blocks. GDAL shows one tall strip, whose start is needed for all of it, as many.

    Args:
        sheet: the sheet.
        known: blocks by path, of sheets that were asked about before; the answer is added.
        patience: seconds for the decoder.

    Raises:
        SheetError: it cannot be opened.
    """
    header, path = sheet.header, sheet.path
    if path not in known:
        rows, cols = header.block
        if rows == 1 < header.height and cols >= header.width and not header.virtual:
            rows = decoder().block_rows(Path(path), sheet.stat, header.virtual, patience)
        known[path] = rows, cols
    return known[path]


def apart(parts: list[tuple[Sheet, Window]]) -> list[tuple[Sheet, Window]]:
    """Of sheets and their parts of a window those that no other overlaps, and that are not warped."""
    return [
        (sheet, part)
        for sheet, part in parts
        if sheet.mode != "warped" and not any(s is not sheet and overlap(p, part) for s, p in parts)
    ]

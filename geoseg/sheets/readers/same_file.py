"""Whether sheets still are the files that were planned."""

from __future__ import annotations

from pathlib import Path

from geoseg.errors import SheetChanged
from geoseg.plan import Sheet
from geoseg.sheets.decoder import sheet_stat
from geoseg.sheets.door import mask_path, stat_key

__all__ = ["check_unchanged", "is_unchanged"]


def is_unchanged(sheet: Sheet, patience: float) -> bool:
    """Whether a sheet and its external mask are the files that were planned; `patience`: seconds for a server."""
    path = Path(sheet.path)
    mask = stat_key(mask_path(path)) if sheet.header.mask == "external" else None
    return sheet_stat(path, patience) == sheet.stat and mask == sheet.header.mask_stat


def check_unchanged(used: list[Sheet], patience: float) -> None:
    """Raise SheetChanged if a sheet was written while it was read: its pixels may be neither the old nor the new."""
    for sheet in used:
        if not is_unchanged(sheet, patience):
            cure = "wait until it is complete, then run geoseg tile and infer again"
            raise SheetChanged(sheet.path, "was written while it was read", cure)

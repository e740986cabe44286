"""Whether sheets and their masks still are the files that were planned."""

from __future__ import annotations

from pathlib import Path

from geoseg.errors import SheetChanged, SheetError
from geoseg.plan import Sheet
from geoseg.sheets.decoder import decoder, sheet_stat
from geoseg.sheets.door import mask_path, stat_key

__all__ = ["begin", "check_unchanged", "mask_error"]


def _is_unchanged(sheet: Sheet, patience: float) -> bool:
    """Whether a sheet and its external mask are the files that were planned; `patience`: seconds for a server."""
    path = Path(sheet.path)
    mask = stat_key(mask_path(path)) if sheet.header.mask == "external" else None
    return sheet_stat(path, patience) == sheet.stat and mask == sheet.header.mask_stat


def begin(sheet: Sheet, patience: float) -> None:
    """Look at a sheet once more before its first pixel is read.

    Raises:
        SheetChanged: it was written again since it was planned.
        SheetError: its external mask does not fit.
    """
    if not _is_unchanged(sheet, patience):
        raise SheetChanged(sheet.path, "was written again since it was planned", "run geoseg tile and infer again")
    if sheet.header.mask == "external":
        _check_mask(sheet, patience)


def _check_mask(sheet: Sheet, patience: float) -> None:
    try:
        mask = decoder().header(mask_path(Path(sheet.path)), patience=patience)
    except SheetError as error:
        raise mask_error(sheet, error.what) from error
    found, expected = (mask.height, mask.width), (sheet.header.height, sheet.header.width)
    if found != expected:
        raise mask_error(sheet, f"has {found} rows and columns, expected {expected}")


def mask_error(sheet: Sheet, what: str) -> SheetError:
    """What is wrong with the external mask of a sheet."""
    return SheetError(sheet.path, f"has a .msk that {what}", "delete the .msk or make it again")


def check_unchanged(used: list[Sheet], patience: float) -> None:
    """Raise SheetChanged if a sheet was written while it was read: its pixels may be neither the old nor the new."""
    for sheet in used:
        if not _is_unchanged(sheet, patience):
            cure = "wait until it is complete, then run geoseg tile and infer again"
            raise SheetChanged(sheet.path, "was written while it was read", cure)

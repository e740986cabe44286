"""The rules for no-data: values, masks, and borders that look like undeclared no-data.

A pixel holds no data where

    all its bands hold one no-data value of the file, or of `--nodata` with `--nodata-everywhere`
    any of its bands is not a finite number
    the sheet's own mask says so: an alpha band, a mask inside the file, or a .msk beside it
    it lies in a blank area that `tile` found (`geoseg.sheets.blank_areas`)

Pure rules: nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoseg.arrays import Image, Valid
from geoseg.errors import PlanError, SheetError
from geoseg.plan import Header, Sheet
from geoseg.sheets.door import mask_path, stat_key

__all__ = [
    "BORDERS",
    "Place",
    "Value",
    "blanks_of",
    "flat_border",
    "mask_of",
    "nodata_values",
    "place_of",
    "valid_by_value",
]

Value = tuple[float, float]
"""A no-data value and its tolerance."""

BORDERS = ((255, 243, 255), (0, 0, 3))
"""(value, lowest, highest) of the nearly white and nearly black areas that are taken for undeclared no-data."""


@dataclass(frozen=True)
class Place:
    """Where pixels are read: a file, its stat key, and 1-based bands; no bands for the mask inside the file.

    `virtual`: the checked text of a virtual raster. `dtype`: the data type of its pixels; "" where it is not known.
    """

    path: Path
    stat: tuple[int, int]
    bands: tuple[int, ...]
    virtual: str = ""
    dtype: str = ""


def place_of(sheet: Sheet, bands: tuple[int, ...]) -> Place:
    """Where bands of a sheet are read."""
    dtype = sheet.header.dtype if bands else "uint8"
    return Place(Path(sheet.path), sheet.stat, bands, sheet.header.virtual, dtype)


def nodata_values(declared: Iterable[Value], header: Header) -> list[Value]:
    """All no-data values of a sheet: those declared for the whole run, then the file's own."""
    values = [*declared]
    if header.nodata is not None and np.isfinite(header.nodata):
        values.append((header.nodata, 0.0))
    return values


def valid_by_value(pixels: Image, values: Iterable[Value]) -> Valid:
    """False (H, W) where all bands of pixels (C, H, W) hold a no-data value, or any is not a finite number."""
    good = np.ones(pixels.shape[1:], bool)
    if pixels.dtype.kind == "f":
        good &= np.isfinite(pixels).all(0)
    for value, tolerance in values:
        low, high = value - tolerance, value + tolerance
        if pixels.dtype.kind in "ui":
            limits = np.iinfo(pixels.dtype)
            low, high = max(low, limits.min), min(high, limits.max)
            if low > high:  # no pixel of this type can hold it
                continue
        good &= ~((pixels >= low) & (pixels <= high)).all(0)
    return good


def mask_of(sheet: Sheet, bands: tuple[int, ...]) -> Place | None:
    """The mask that decides beside the values; None where there is none.

    `bands` are those that are read as data: an alpha band that the user names is data, whatever the file calls it.
    """
    header, path = sheet.header, Path(sheet.path)
    if header.mask == "alpha":
        alpha = header.meanings.index("alpha") + 1
        return None if alpha in bands else place_of(sheet, (alpha,))
    if header.mask == "internal":
        return place_of(sheet, ())
    if header.mask == "external":
        assert header.mask_stat is not None  # `read_header` found the file
        return Place(mask_path(path), header.mask_stat, (1,))
    return None


def blanks_of(masks: str, sheet: Sheet) -> Place:
    """The mask of the blank areas of a sheet, in the folder `masks` of its run.

    Raises:
        PlanError: it is not there any more.
    """
    path = Path(masks) / sheet.blanks
    try:
        return Place(path, stat_key(path), (1,))
    except SheetError as error:
        raise PlanError(path, "is missing", "run geoseg tile again, which makes it") from error


def flat_border(pixels: Image, edges: Iterable[Image]) -> int | None:
    """255 or 0 where more than a tenth of the pixels and of one of the edges is nearly white or nearly black.

    Args:
        pixels: uint8 (C, H, W) from a corner of a sheet.
        edges: the parts of them (C, N) that lie along the sheet's own edges.
    """
    parts = (pixels, *edges)
    for value, low, high in BORDERS:
        flat, *along = (((p >= low) & (p <= high)).all(0).mean() for p in parts)
        if flat > 0.1 and max(along) > 0.1:
            return value
    return None

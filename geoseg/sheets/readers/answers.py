"""What a decoder process may answer. It opens files of anybody, so no word of it is taken for granted.

All functions raise KeyError, TypeError or ValueError for an answer that no decoder gives.
"""

from __future__ import annotations

import math
from pathlib import Path

from geoseg.arrays import Json
from geoseg.errors import SheetAway, SheetChanged, SheetError
from geoseg.plan import Header, header_from_json
from geoseg.sheets.door import CODE_DTYPES

__all__ = ["dtype_in", "error_in", "header_in", "rows_in", "stat_in"]

MOST = 1 << 31
"""Rows, columns or bands that no file has."""
KINDS = {"SheetError": SheetError, "SheetChanged": SheetChanged, "SheetAway": SheetAway}
LONGEST = 20_000
"""Characters of an error."""


def header_in(value: Json) -> Header:
    """A header, each of whose values has the type that it should have."""
    header = header_from_json(value)
    counts = (header.width, header.height, header.bands, *_tuple(header.block, 2))
    mask_stat = () if header.mask_stat is None else _tuple(header.mask_stat, 2)
    texts = (header.crs, header.virtual, *_tuple(header.meanings, header.bands), *_tuple(header.names))
    _demand(all(type(n) is int and 0 < n < MOST for n in counts), "sizes")
    _demand(header.dtype in CODE_DTYPES, "data type")
    _demand(all(isinstance(n, int | float) and math.isfinite(n) for n in _tuple(header.transform, 6)), "geotransform")
    _demand(type(header.georeferenced) is bool, "georeferenced")
    _demand(header.nodata is None or type(header.nodata) in (int, float), "no data")
    _demand(header.mask in ("none", "internal", "external", "alpha"), "mask")
    _demand(header.mask != "alpha" or "alpha" in header.meanings, "alpha band")
    _demand((header.mask == "external") == bool(mask_stat) and all(type(n) is int for n in mask_stat), "stat key")
    _demand(all(type(t) is str for t in texts), "texts")
    return header


def stat_in(value: Json) -> tuple[int, int]:
    """A stat key."""
    size, number = _tuple(tuple(value["stat"]), 2)
    if not isinstance(size, int) or not isinstance(number, int):
        raise TypeError("stat key")
    return size, number


def rows_in(value: Json) -> int:
    """Rows of a block."""
    rows = value["rows"]
    _demand(type(rows) is int and 0 < rows < MOST, "rows")
    return int(rows)


def dtype_in(value: Json, wanted: str) -> str:
    """A data type of pixels: the one that is wanted, or with "" any that a file may have; never one of objects."""
    found = value["dtype"]
    _demand(found == wanted if wanted else found in CODE_DTYPES, "data type")
    return str(found)


def error_in(value: object, path: str) -> SheetError:
    """An error about the sheet that was asked for, and about no other, whatever the process says."""
    if not isinstance(value, list) or not all(type(word) is str for word in value):
        raise TypeError("error")
    kind, subject, what, cure = value
    _demand(kind in KINDS and len(subject) + len(what) + len(cure) <= LONGEST, "error")
    if subject != path:  # a file beside it
        what = f"has {Path(subject).name}, which {what}"
    return KINDS[kind](path, what, cure)


def _tuple(value: object, size: int | None = None) -> tuple[object, ...]:
    if not isinstance(value, tuple) or (size is not None and len(value) != size):
        raise TypeError("list")
    return value


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)

"""Legends: how the labels of a data set become label codes.

A code is a class index, `NOT` + k ("anything but class k") or 255 (not known). The text of a legend names them:
`building`, `not building`, `ignore`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from geoseg.arrays import Bytes, Image, Ints, Mask, Valid
from geoseg.classes import ISPRS, NODATA, NOT, ClassTable
from geoseg.errors import SheetError, UsageError

__all__ = [
    "NEAR",
    "Legend",
    "channels",
    "code_of",
    "colour_legend",
    "cube_legend",
    "decode",
    "legend_of_classes",
    "named_codes",
    "table_legend",
]


LARGEST_CODE = 255
"""Larger values of signed and floating types are no label, unless a legend names them: no class table has such."""
FILLERS = {np.dtype(np.int16): 32767, np.dtype(np.uint16): 65535}
"""The largest values of these types are what programs fill with: no label, unless a legend names them."""
NEAR = 48
"""Grey levels in each channel within which a colour still counts as the legend's."""


@dataclass(frozen=True)
class Legend:
    """The meaning of label pixels.

    `kind` says how many bands there are and what `rows` hold.

    - "values": one band; rows of (value, code).
    - "cube": three bands, each cut at 127; rows of (index of one of 8 colours, code).
    - "colours": three bands; rows of (0xRRGGBB, code); the nearest colour within `NEAR` grey levels wins.

    `rest` is the code of all other pixels; -1 makes them an error. What can be no class at all is never an error and
    always 255: values without data by the file's own word, negative ones, NaN, and the extremes of wide types.
    """

    kind: str
    rows: tuple[tuple[int, int], ...]
    rest: int = -1


def code_of(text: str, table: ClassTable, subject: object) -> int:
    """The label code of `NAME`, `not NAME` or `ignore`.

    Raises:
        UsageError: there is no class of that name; lists the known ones.
    """
    word = " ".join(str(text).replace("_", " ").lower().split())
    if word in ("ignore", "unlabelled", "nodata"):
        return NODATA
    names = {c.name.lower().replace("_", " "): i for i, c in enumerate(table.classes)}
    bare = word.removeprefix("not ")
    if bare not in names:
        raise UsageError(subject, f"names the class {text!r}", f"known: {', '.join(names)}, 'not NAME', ignore")
    return names[bare] + (NOT if word != bare else 0)


def named_codes(
    mapping: Mapping[str | int, str] | Mapping[str, str], table: ClassTable, subject: object
) -> dict[str, int]:
    """Label codes of a mapping from labels (text or values) to class names."""
    return {str(k): code_of(v, table, subject) for k, v in mapping.items()}


def table_legend(table: ClassTable) -> Legend:
    """Rasters that hold the class table's own values, 255 for not known."""
    return Legend("values", (*((c.value, i) for i, c in enumerate(table.classes)), (NODATA, NODATA)))


def legend_of_classes(
    classes: Mapping[str | int, str], table: ClassTable, subject: object, rest: int = -1, *, colours: bool = False
) -> Legend:
    """The legend of a mapping from values (`1: building`) or colours (`'#3c1098': building`) to class names.

    Args:
        classes: the mapping; colours may go without `#` where `colours` says that they are colours.
        table: classes of the network.
        subject: named in errors.
        rest: code of all other pixels, -1 for an error.
        colours: True where all labels are colours.

    Raises:
        UsageError: a label that is neither, or a class that the table lacks.
    """
    codes = named_codes(classes, table, subject)
    if colours or any(label.startswith("#") for label in codes):
        return Legend("colours", tuple((_colour(label, subject), code) for label, code in codes.items()), rest)
    values = {_label_value(label, subject): code for label, code in codes.items()}
    return Legend("values", tuple({NODATA: NODATA, **values}.items()), rest)


def _colour(text: str, subject: object) -> int:
    found = re.fullmatch(r"#?([0-9a-fA-F]{6})", text.strip())
    if found:
        return int(found[1], 16)
    raise UsageError(
        subject, f"has the colour {text!r}, expected RRGGBB in hexadecimal", "for instance '#3c1098': building"
    )


def _label_value(text: str, subject: object) -> int:
    if text.lstrip("-").isdigit() and 0 <= int(text) <= 65535:
        return int(text)
    raise UsageError(subject, f"has the label value {text!r}, expected 0 to 65535", "correct `classes`")


def _corner(colour: tuple[int, int, int]) -> int:
    r, g, b = (int(v > 127) for v in colour)
    return 4 * r + 2 * g + b


def colour_legend(table: ClassTable) -> Legend:
    """Rasters that hold the class table's own colours; other colours are not known."""
    rows = tuple(((r << 16) | (g << 8) | b, i) for i, (r, g, b) in enumerate(c.colour for c in table.classes))
    return Legend("colours", rows, NODATA)


def cube_legend(table: ClassTable) -> Legend:
    """ISPRS colours, which are corners of the colour cube, for the classes of a table that have ISPRS' names.

    Each channel is cut at 127, because some of the released labels were re-encoded with loss.
    """
    index = {c.name: i for i, c in enumerate(table.classes)}
    return Legend("cube", tuple((_corner(c.colour), index.get(c.name, NODATA)) for c in ISPRS.classes), NODATA)


def decode(pixels: Image, legend: Legend, subject: object, known: Valid | None = None) -> Bytes:
    """Label codes uint8 (H, W) of label pixels (C, H, W) of any data type; 255 where `known` (H, W) is false.

    Raises:
        SheetError: the pixels have bands or values that the legend does not know; names `subject`.
    """
    known = np.ones(pixels.shape[1:], bool) if known is None else known
    if legend.kind == "values":
        return _by_value(pixels, legend, subject, known)
    if len(pixels) < 3:
        raise SheetError(subject, f"has {len(pixels)} bands, expected the colours of a legend in 3", "check the legend")
    if legend.kind == "cube":
        bits = np.asarray(pixels[:3] > 127, np.uint8)
        lookup = np.full(8, legend.rest, np.uint8)
        for corner, code in legend.rows:
            lookup[corner] = code
        codes = lookup[bits[0] * 4 + bits[1] * 2 + bits[2]]
    else:
        codes = _by_colour(pixels, legend, subject, known)
    return np.asarray(np.where(known, codes, NODATA), np.uint8)


def _by_value(pixels: Image, legend: Legend, subject: object, known: Valid) -> Bytes:
    band = pixels[0]
    if len(pixels) != 1 or band.dtype.kind not in "uibf":
        raise SheetError(
            subject, f"has {len(pixels)} bands of {band.dtype}, expected one band of whole numbers", "check the legend"
        )
    values, unlabelled = _whole_numbers(band, known, subject)
    lookup = np.full(65536, legend.rest, np.int16)
    if legend.rest < 0 and band.dtype.kind in "if":
        lookup[LARGEST_CODE + 1 :] = NODATA
    if band.dtype in FILLERS:
        lookup[FILLERS[band.dtype]] = NODATA
    for value, code in legend.rows:
        lookup[value] = code
    codes = np.where(unlabelled, np.int16(NODATA), lookup[values])
    if legend.rest < 0 and (codes < 0).any():
        odd = sorted(set(np.unique(values[codes < 0]).tolist()))[:5]
        named = [v for v, _ in legend.rows]
        raise SheetError(
            subject, f"holds the label values {odd}, the legend has {named}", "add them to the legend, or give `rest`"
        )
    return np.asarray(codes, np.uint8)


def _whole_numbers(band: Image, known: Valid, subject: object) -> tuple[Ints, Mask]:
    """Values (H, W) within 0 to 65535, and where there is no label: not `known`, NaN, negative and too large ones."""
    if band.dtype.kind == "f":
        whole = np.where(known & np.isfinite(band), band, -1)
        if (whole != np.floor(whole)).any():
            odd = whole[whole != np.floor(whole)][0]
            raise SheetError(subject, f"holds the label value {odd:g}, expected whole numbers", "is it a label raster?")
    else:
        whole = band
    unlabelled = ~known | (whole < 0) | (whole > 65535)
    return np.where(unlabelled, 0, whole).astype(np.int64), unlabelled


def _by_colour(pixels: Image, legend: Legend, subject: object, known: Valid) -> Bytes:
    r, g, b = (p.astype(np.uint32) for p in pixels[:3])
    mixed = np.where(known, (r << 16) | (g << 8) | b, legend.rows[0][0])
    found, inverse = np.unique(mixed, return_inverse=True)
    named = np.array([v for v, _ in legend.rows], np.int64)
    far = np.abs(channels(found.astype(np.int64))[:, None] - channels(named)[None]).max(2)
    nearest = far.argmin(1)
    codes = np.array([c for _, c in legend.rows])[nearest]
    odd = far.min(1) > NEAR
    if odd.any() and legend.rest < 0:
        raise SheetError(
            subject, f"holds the colour #{int(found[odd][0]):06x}, which the legend lacks", "add it, or give `rest`"
        )
    codes = np.where(odd, legend.rest, codes)
    return np.asarray(codes[inverse].reshape(r.shape), np.uint8)


def channels(colours: Ints) -> Ints:
    """0xRRGGBB (N,) to red, green, blue (N, 3)."""
    return np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], -1)

"""Legends: how the labels of a data set become label codes.

A code is a class index, `NOT` + k ("anything but class k") or 255 (not known). The text of a legend names them:
`building`, `not building`, `ignore`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from geoseg.arrays import Bytes, Image, Ints
from geoseg.classes import NODATA, NOT, ClassTable
from geoseg.errors import SheetError, UsageError

__all__ = ["Legend", "code_of", "cube_legend", "decode", "named_codes", "table_legend"]


@dataclass(frozen=True)
class Legend:
    """The meaning of label pixels.

    `kind` says how many bands there are and what `rows` hold.

    - "values": one band; rows of (value, code).
    - "cube": three bands, each cut at 127; rows of (index of one of 8 colours, code).
    - "colours": three bands; rows of (0xRRGGBB, code); the nearest colour within 48 grey levels wins.

    `rest` is the code of all other pixels; -1 makes them an error.
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
    mapping: Mapping[str, str] | Mapping[str | int, str], table: ClassTable, subject: object
) -> dict[str, int]:
    """Label codes of a mapping from labels (text or values) to class names."""
    return {str(k): code_of(v, table, subject) for k, v in mapping.items()}


def table_legend(table: ClassTable) -> Legend:
    """Rasters that hold the class table's own values, 255 for not known."""
    return Legend("values", (*((c.value, i) for i, c in enumerate(table.classes)), (NODATA, NODATA)))


def _corner(colour: tuple[int, int, int]) -> int:
    r, g, b = (int(v > 127) for v in colour)
    return 4 * r + 2 * g + b


def cube_legend(table: ClassTable) -> Legend:
    """ISPRS colours, which are corners of the colour cube.

    Each channel is cut at 127, because some of the released labels were re-encoded with loss.
    """
    return Legend("cube", tuple((_corner(c.colour), i) for i, c in enumerate(table.classes)), NODATA)


def decode(pixels: Image, legend: Legend, subject: object) -> Bytes:
    """Label codes uint8 (H, W) of label pixels (C, H, W) of any data type.

    Raises:
        SheetError: the pixels have bands or values that the legend does not know; names `subject`.
    """
    if legend.kind == "values":
        return _by_value(pixels, legend, subject)
    if len(pixels) < 3:
        raise SheetError(subject, f"has {len(pixels)} bands, expected the colours of a legend in 3", "check the legend")
    if legend.kind == "cube":
        bits = np.asarray(pixels[:3] > 127, np.uint8)
        lookup = np.full(8, legend.rest, np.uint8)
        for corner, code in legend.rows:
            lookup[corner] = code
        return np.asarray(lookup[bits[0] * 4 + bits[1] * 2 + bits[2]], np.uint8)
    return _by_colour(pixels, legend, subject)


def _by_value(pixels: Image, legend: Legend, subject: object) -> Bytes:
    band = pixels[0]
    if len(pixels) != 1 or band.dtype.kind not in "uib":
        raise SheetError(
            subject, f"has {len(pixels)} bands of {band.dtype}, expected one band of whole numbers", "check the legend"
        )
    lookup = np.full(65536, legend.rest, np.int16)
    for value, code in legend.rows:
        lookup[value] = code
    codes = lookup[np.clip(band, 0, 65535)]
    if band.dtype.kind == "i" or band.dtype.itemsize > 2:
        codes = np.where((band < 0) | (band > 65535), np.int16(legend.rest), codes)  # no legend has a code for these
    if legend.rest < 0 and (codes < 0).any():
        odd = sorted(set(np.unique(band[codes < 0]).tolist()))[:5]
        known = [v for v, _ in legend.rows]
        raise SheetError(
            subject, f"holds the label values {odd}, the legend has {known}", "add them to the legend, or give `rest`"
        )
    return np.asarray(codes, np.uint8)


def _by_colour(pixels: Image, legend: Legend, subject: object) -> Bytes:
    r, g, b = (p.astype(np.uint32) for p in pixels[:3])
    found, inverse = np.unique((r << 16) | (g << 8) | b, return_inverse=True)
    known = np.array([v for v, _ in legend.rows], np.int64)
    far = np.abs(_channels(found.astype(np.int64))[:, None] - _channels(known)[None]).max(2)
    nearest = far.argmin(1)
    codes = np.array([c for _, c in legend.rows])[nearest]
    odd = far.min(1) > 48
    if odd.any() and legend.rest < 0:
        raise SheetError(
            subject, f"holds the colour #{int(found[odd][0]):06x}, which the legend lacks", "add it, or give `rest`"
        )
    codes = np.where(odd, legend.rest, codes)
    return np.asarray(codes[inverse].reshape(r.shape), np.uint8)


def _channels(colours: Ints) -> Ints:
    """0xRRGGBB (N,) to red, green, blue (N, 3)."""
    return np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], -1)

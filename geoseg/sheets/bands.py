"""What the bands of a sheet mean, by what its file says: their colours, then their names, then their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from geoseg.arrays import Image
from geoseg.plan import Header

__all__ = ["band_meanings", "bands_in_words", "is_mask", "without_alpha"]

COLOURS = ("red", "green", "blue", "nir")
_BY_COUNT = {1: ("grey",), 2: ("grey", "other"), 3: COLOURS[:3], 4: COLOURS}

_WORDS = (
    (r"red ?edge\w*|rede|re\d?", "other"),
    (r"near ?infra ?red|infra ?red|nir\d?|ir", "nir"),
    (r"red|r", "red"),
    (r"green|g", "green"),
    (r"blue|b", "blue"),
    (r"gr[ae]y|pan|panchromatic|luminance", "grey"),
    (r"n?dsm|height|elevation|chm", "height"),
)
"""Patterns of the words in a band's name, and what they mean; the first that is found counts."""

_NUMBERED = re.compile(r"^(?:sr_)?b0?(\d{1,2})(a?)$")
_SENTINEL = {2: "blue", 3: "green", 4: "red", 8: "nir"}
_LANDSAT = {2: "blue", 3: "green", 4: "red", 5: "nir"}
"""Landsat 8 and 9."""

MASK_SHARE = 0.1
"""Share of pixels of a mask that may be neither 0 nor its largest value: those of soft edges."""


def band_meanings(header: Header) -> tuple[str, ...]:
    """The meaning of each band: red, green, blue, nir, grey, height, alpha or other.

    A band whose name contradicts its colour means both, such as "blue or red", and so suits no network.
    """
    colours = [{"gray": "grey", "undefined": "other"}.get(m, m) for m in header.meanings]
    names = _named(header.names)
    if not any(names):
        return _unnamed(colours)
    found = []
    for colour, name in zip(colours, names, strict=True):
        if colour == "alpha" or not name:
            found.append(colour if colour in (*COLOURS, "alpha") else "other")
        elif colour in COLOURS and colour != name:
            found.append(f"{name} or {colour}")
        else:
            found.append(name)
    return tuple(found)


def _unnamed(found: list[str]) -> tuple[str, ...]:
    """By colour, else by the number of bands."""
    colours = [i for i, m in enumerate(found) if m != "alpha"]
    guess = _BY_COUNT.get(len(colours), (*COLOURS, *("other",) * (len(colours) - 4)))
    if not set(COLOURS) & set(found):
        for i, name in zip(colours, guess, strict=False):
            found[i] = name
    elif "nir" not in found and len(colours) == 4:
        found[next(i for i in colours if found[i] not in COLOURS)] = "nir"
    return tuple(found)


def _named(names: Sequence[str]) -> list[str]:
    """What each name means; "" for nothing that is known."""
    words = [" ".join(re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", n).lower())).strip() for n in names]
    numbers = [_NUMBERED.match(n.strip().lower()) for n in names]
    whole = {int(m[1]) for m in numbers if m and not m[2]}
    if whole == set(range(1, len(names) + 1)):
        whole = set()  # plain counting means nothing
    series = _SENTINEL if 8 in whole else _LANDSAT if whole >= {2, 3, 4} and 1 not in whole else {}
    return [
        series.get(int(m[1]), "other") if m and series and not m[2] else _meaning(w)
        for m, w in zip(numbers, words, strict=True)
    ]


def _meaning(words: str) -> str:
    for pattern, meaning in _WORDS:
        if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", words):
            return meaning
    return ""


def bands_in_words(header: Header) -> str:
    """The bands for people: `1 blue ("Blue"), 2 green, ...`."""
    names = header.names or ("",) * header.bands
    return ", ".join(
        f"{i} {meaning}" + (f' ("{name}")' if name else "")
        for i, (meaning, name) in enumerate(zip(band_meanings(header), names, strict=True), 1)
    )


def without_alpha(header: Header) -> Header:
    """The header of a sheet whose alpha band holds data."""
    meanings = tuple("undefined" if m == "alpha" else m for m in header.meanings)
    return replace(header, mask="none", meanings=meanings)


def is_mask(pixels: Image) -> bool:
    """Whether a sample of a band can be one of a mask: nearly all of it is 0 or the largest value."""
    values, counts = np.unique(pixels, return_counts=True)
    between = counts[(values != 0) & (values != values[-1])].sum()
    return bool(between <= MASK_SHARE * pixels.size)

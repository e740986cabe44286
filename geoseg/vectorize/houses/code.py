"""Codes of houses: attached houses get codes of their own, so that outlines are drawn between them like any others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from geoseg.arrays import Bytes, Mask, Values
from geoseg.vectorize.dice import HOUSE, SMALL, Codes, extents
from geoseg.vectorize.houses.colour import coloured
from geoseg.vectorize.houses.split import HouseOptions, split_houses

__all__ = ["Towns", "code_houses"]

Part = tuple[slice, slice]


@dataclass(frozen=True)
class Towns:
    """Where houses are looked for.

    Attributes:
        raster: class values (H, W).
        contact: per cent (H, W), 255 where there is none.
        values: class values of buildings.
        gsd: metres along a pixel.
        largest: longest side in pixels of regions that are cut; larger ones are cut where sectors meet.
        options: how houses are told apart.
    """

    raster: Bytes
    contact: Bytes
    values: tuple[int, ...]
    gsd: float
    largest: int
    options: HouseOptions


def code_houses(coded: Values, codes: Codes, core: Part, towns: Towns) -> Values:
    """The codes (h, w) of a core, in which houses of one region have different codes.

    Args:
        coded: codes of the core, as `dice.code_core` gives them.
        codes: what they mean.
        core: where it lies in the raster; a region of at most `largest` that meets it lies in the raster as a whole.
        towns: classes and contact.
    """
    out = coded.copy()
    for value in towns.values:
        small = codes.code_of[value, SMALL]
        for part, region in _regions(towns, value, core):
            houses = split_houses(region, towns.contact[part], towns.gsd, towns.options)
            if houses.max() < 2:
                continue
            there, here = _within(part, core)
            new = codes.code_of[value, HOUSE:][coloured(houses)[there]]
            out[here] = np.where(region[there] & (out[here] == small), new, out[here])
    return out


def _regions(towns: Towns, value: int, core: Part) -> Iterator[tuple[Part, Mask]]:
    """Regions of a class that meet the core, have contact, and are neither too small to hold two houses nor too large.

    Each as its smallest window, and its pixels in it.
    """
    mine = np.asarray(towns.raster == value, np.uint8)
    parent, firsts, ends = extents(mine)
    roots = np.flatnonzero(parent == np.arange(len(parent)))
    firsts, ends = firsts[roots], ends[roots] + 1
    sizes = ends - firsts
    least = 2 * towns.options.least / towns.gsd**2
    wanted = (sizes.prod(1) >= least) & (sizes.max(1) <= towns.largest)
    for axis, side in enumerate(core):
        wanted &= (firsts[:, axis] < side.stop) & (ends[:, axis] > side.start)
    for first, end in zip(firsts[wanted].tolist(), ends[wanted].tolist(), strict=True):
        part = slice(first[0], end[0]), slice(first[1], end[1])
        region = _filling(mine[part])
        if region is not None and (towns.contact[part][region] <= 100).any():
            yield part, region


def _filling(mine: Bytes) -> Mask | None:
    """The region that reaches all four sides of its window: no window has two; None where that is the other class."""
    labels, _ = ndimage.label(mine)
    found = ndimage.find_objects(labels)
    whole = tuple(slice(0, n) for n in mine.shape)
    number = next((i for i, part in enumerate(found, 1) if part == whole), 0)
    return np.asarray(labels == number) if number else None


def _within(part: Part, core: Part) -> tuple[Part, Part]:
    """What a window and the core have in common, as rows and columns of the window, and of the core."""
    both = [(max(p.start, c.start), min(p.stop, c.stop)) for p, c in zip(part, core, strict=True)]
    there = [slice(a - p.start, b - p.start) for (a, b), p in zip(both, part, strict=True)]
    here = [slice(a - c.start, b - c.start) for (a, b), c in zip(both, core, strict=True)]
    return (there[0], there[1]), (here[0], here[1])

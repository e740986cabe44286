"""One look at both class rasters, block by block: counts from class to class, changed regions, and unknown ground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.arrays import Bytes, Doubles, Ints, Mask, Shapes, Values
from geoseg.classes import NODATA, ClassTable
from geoseg.errors import UsageError
from geoseg.geometry.blocks import Block, block_window
from geoseg.geometry.ground import area_factors
from geoseg.layers import ROLES
from geoseg.stages.changes.sides import BLOCK, Both, Side
from geoseg.vectorize.join import join
from geoseg.vectorize.rings import Regions
from geoseg.vectorize.trace import trace_rings

__all__ = ["Scan", "from_to", "scan"]

UNKNOWN = 255
"""The number of no class."""
SQUARE = 256
"""Pixels along the squares whose middle gives the scale of the map; blocks hold whole ones."""
CERTAIN = 0.95
"""Regions that lack so much to be a polygon are let go at once; the others are looked at when they are whole."""


@dataclass(frozen=True)
class Scan:
    """What one look at both rasters gives. Only ground counts that has data in both.

    Attributes:
        names: the classes (K) of either side; those of one name are one class.
        pixels: how many (K, K), from each class to each class.
        areas: the same in square metres on the ground.
        regions: connected ground that changed from one class to another, as `from_to` tells, in pixel corners of the
            grid; what is a sliver for certain is left out.
        least: smallest polygon in square metres by the code of a region (K * K + 1).
        unknown: polygons of ground without data in one raster, cut at blocks, in the grid's CRS.
    """

    names: tuple[str, ...]
    pixels: Ints
    areas: Doubles
    regions: Regions
    least: Doubles
    unknown: Shapes


def scan(both: Both, min_area: float | None = None) -> Scan:
    """Look at every pixel once; in memory are one block of each raster, and the outlines found so far.

    Args:
        both: the sides.
        min_area: smallest polygon in square metres; None for the larger one of the smallest sizes of both classes.

    Raises:
        UsageError: pixels of no class, or too many classes.
    """
    names = _names(both.old.table, both.new.table)
    if len(names) > UNKNOWN:
        what = f"have {len(names)} classes together, expected up to {UNKNOWN}"
        raise UsageError(f"{both.old.rasters[0]} and {both.new.rasters[0]}", what, "compare rasters of one class table")
    first, second = _numbers(both.old.table, names), _numbers(both.new.table, names)
    size = len(names)
    least = _least(both, names, min_area)
    pixels, areas = np.zeros((size, size), np.int64), np.zeros((size, size))
    changed: list[tuple[Block, Regions]] = []
    unknown: list[Shapes] = []
    for block, old, new in both.blocks():
        known = old != NODATA
        before, after = _classes(both.old, first, old[known]), _classes(both.new, second, new[known])
        pairs = before * size + after
        window = block_window(block, BLOCK)
        of_block = np.full(old.shape, size * size, np.int64)
        of_block[known] = pairs
        for counts, area in _counted(both, window, of_block, size):
            pixels += counts
            areas += counts * area
        pixel_area = _pixel_area(both, window)
        codes = np.zeros(old.shape, np.uint16)
        codes[known] = np.where(before == after, 0, pairs + 1)
        if codes.any():
            changed.append((block, _regions(codes, least / pixel_area, both.reach / both.grid.side)))
        unknown += _unknown(both, block, known)
    regions = join(((block, r) for block, r in changed if len(r)), BLOCK)
    return Scan(names, pixels, areas, regions, least, np.concatenate([np.zeros(0, object), *unknown]))


def from_to(code: int, size: int) -> tuple[int, int]:
    """Numbers of the classes before and after, out of the code of a changed region; `size`: how many classes."""
    return (code - 1) // size, (code - 1) % size


def _names(old: ClassTable, new: ClassTable) -> tuple[str, ...]:
    """Names of the classes of both sides, each once, in an order that does not hang on which side is which."""
    rank: dict[str, int] = {}
    for c in (*old.classes, *new.classes):
        rank[c.name] = min(c.value, rank.get(c.name, NODATA))
    return tuple(sorted(rank, key=lambda name: (rank[name], name)))


def _least(both: Both, names: tuple[str, ...], min_area: float | None) -> Doubles:
    """Smallest polygon in square metres by the code of a changed region."""
    sizes = {c.name: ROLES[c.role].min_area for c in (*both.old.table.classes, *both.new.table.classes)}
    own = np.array([sizes[n] if min_area is None else min_area for n in names])
    return np.concatenate([[0.0], np.maximum.outer(own, own).ravel()])


def _numbers(table: ClassTable, names: tuple[str, ...]) -> Bytes:
    """Number of the class of each raster value (256,); `UNKNOWN` for values of no class."""
    numbers = np.full(256, UNKNOWN, np.uint8)
    for c in table.classes:
        numbers[c.value] = names.index(c.name)
    return numbers


def _classes(side: Side, numbers: Bytes, values: Bytes) -> Ints:
    """Numbers of the classes of pixels.

    Raises:
        UsageError: values of no class.
    """
    classes = numbers[values]
    if (classes == UNKNOWN).any():
        odd = sorted({int(v) for v in np.unique(values[classes == UNKNOWN])})
        cure = "give class rasters of geoseg; mosaic --from makes them"
        raise UsageError(side.rasters[0], f"and those beside it hold values {odd[:5]} of no class", cure)
    return classes.astype(np.int64)


def _counted(both: Both, window: Window, pairs: Ints, size: int) -> Iterator[tuple[Ints, float]]:
    """Pixels from class to class (size, size), and square metres of a pixel, of each `SQUARE` of a block.

    The squares do not hang on the size of blocks, so areas do not, either. `pairs` (H, W): `size` * before + after;
    more where not both are known.
    """
    for row in range(0, pairs.shape[0], SQUARE):
        for col in range(0, pairs.shape[1], SQUARE):
            part = pairs[row : row + SQUARE, col : col + SQUARE]
            counts = np.bincount(part[part < size * size], minlength=size * size).reshape(size, size)
            if counts.any():
                place = Window(window.col_off + col, window.row_off + row, SQUARE, SQUARE)
                yield counts, _pixel_area(both, place)


def _pixel_area(both: Both, window: Window) -> float:
    """Square metres on the ground of a pixel in the middle of a window."""
    left, bottom, right, top = both.grid.bounds(window)
    return both.grid.pixel_area * float(area_factors(both.grid.crs, (left + right) / 2, (bottom + top) / 2)[0])


def _regions(codes: Values, least: Doubles, reach: float) -> Regions:
    """Changed regions of a block without those that are slivers whatever the scale of the map there.

    Args:
        codes: (H, W), 0 where nothing changed.
        least: smallest polygon by code, in pixels.
        reach: the tolerance, in pixels.
    """
    found = trace_rings(codes, skip=0)
    kept = found.pixels >= CERTAIN * least[found.values]
    for side in found.borders:
        kept[side[side >= 0]] = True  # it may go on in the next block
    numbers = np.flatnonzero(kept)
    polygons = found.polygons(numbers)
    inner = ~np.isin(numbers, np.concatenate(found.borders))
    narrow = shapely.is_empty(shapely.buffer(polygons, -CERTAIN * reach / 2, join_style="mitre"))
    stays = ~(inner & narrow)
    numbers, polygons = numbers[stays], polygons[stays]
    number = np.full(len(found) + 1, -1, np.int64)  # the last one: of no region
    number[numbers] = np.arange(len(numbers))
    borders = tuple(number[side] for side in found.borders)
    return Regions(
        polygons, found.values[numbers], found.first[numbers], found.pixels[numbers], found.weight[numbers], borders
    )


def _unknown(both: Both, block: Block, known: Mask) -> Iterator[Shapes]:
    """Polygons of a block where one raster has no data, in the grid's CRS."""
    if known.all():
        return
    place = both.grid.window_transform(block_window(block, BLOCK))
    polygons = trace_rings((~known).astype(np.uint8), skip=0).polygons()
    yield np.asarray(shapely.transform(polygons, lambda xy: xy * [place.a, place.e] + [place.c, place.f]))

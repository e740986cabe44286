"""One look at both class rasters, block by block: counts from class to class, changed regions, and unknown ground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.arrays import Bytes, Doubles, Ints, Shapes
from geoseg.classes import NODATA, ClassTable
from geoseg.geometry.blocks import Block, block_window
from geoseg.geometry.ground import area_factors
from geoseg.stages.changes.sides import BLOCK, Both
from geoseg.vectorize.join import join
from geoseg.vectorize.rings import Regions
from geoseg.vectorize.trace import trace_rings

__all__ = ["Scan", "from_to", "scan"]


@dataclass(frozen=True)
class Scan:
    """What one look at both rasters gives. Only ground counts that has data in both.

    Attributes:
        names: the classes (K) of either side; those of one name are one class.
        pixels: how many (K, K), from each class to each class.
        areas: the same in square metres on the ground.
        regions: connected ground that changed from one class to another, as `from_to` tells, in pixel corners of the
            grid.
        unknown: polygons of ground without data in one raster, cut at blocks, in the grid's CRS.
    """

    names: tuple[str, ...]
    pixels: Ints
    areas: Doubles
    regions: Regions
    unknown: Shapes


def scan(both: Both) -> Scan:
    """Look at every pixel once; in memory are one block of each raster, and the outlines found so far."""
    names = _names(both.old.table, both.new.table)
    first, second = _numbers(both.old.table, names), _numbers(both.new.table, names)
    size = len(names)
    pixels, areas = np.zeros((size, size), np.int64), np.zeros((size, size))
    changed: list[tuple[Block, Regions]] = []
    unknown: list[Shapes] = []
    for block, old, new in both.blocks():
        known = old != NODATA
        pairs = first[old[known]].astype(np.int64) * size + second[new[known]]
        counts = np.bincount(pairs, minlength=size * size).reshape(size, size)
        pixels += counts
        areas += counts * _pixel_area(both, block_window(block, BLOCK))
        codes = np.zeros(old.shape, np.uint16)
        codes[known] = np.where(pairs // size == pairs % size, 0, pairs + 1)
        if codes.any():
            changed.append((block, _regions(codes)))
        unknown += _unknown(both, block, known)
    return Scan(names, pixels, areas, join(iter(changed), BLOCK), np.concatenate([np.zeros(0, object), *unknown]))


def from_to(code: int, size: int) -> tuple[int, int]:
    """Numbers of the classes before and after, out of the code of a changed region; `size`: how many classes."""
    return (code - 1) // size, (code - 1) % size


def _names(old: ClassTable, new: ClassTable) -> tuple[str, ...]:
    """Names of the classes of both sides, each once, in an order that does not hang on which side is which."""
    rank: dict[str, int] = {}
    for c in (*old.classes, *new.classes):
        rank[c.name] = min(c.value, rank.get(c.name, NODATA))
    return tuple(sorted(rank, key=lambda name: (rank[name], name)))


def _numbers(table: ClassTable, names: tuple[str, ...]) -> Bytes:
    """Number of the class of each raster value (256,)."""
    numbers = np.zeros(256, np.uint8)
    for c in table.classes:
        numbers[c.value] = names.index(c.name)
    return numbers


def _pixel_area(both: Both, window: Window) -> float:
    """Square metres on the ground of a pixel in the middle of a window."""
    left, bottom, right, top = both.grid.bounds(window)
    return both.grid.pixel_area * float(area_factors(both.grid.crs, (left + right) / 2, (bottom + top) / 2)[0])


def _regions(codes: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> Regions:
    found = trace_rings(codes, skip=0)
    return Regions(found.polygons(), found.values, found.first, found.pixels, found.weight, found.borders)


def _unknown(both: Both, block: Block, known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Iterator[Shapes]:
    """Polygons of a block where one raster has no data, in the grid's CRS."""
    if known.all():
        return
    place = both.grid.window_transform(block_window(block, BLOCK))
    polygons = trace_rings((~known).astype(np.uint8), skip=0).polygons()
    yield np.asarray(shapely.transform(polygons, lambda xy: xy * [place.a, place.e] + [place.c, place.f]))

"""Regions that go on in neighbouring parts of a raster: their whole polygons, and their first pixels.

Both give the same as if the raster had been looked at in one piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import shapely

from geoseg.arrays import Bytes, Ints, Shapes, Values
from geoseg.geometry.blocks import Block
from geoseg.geometry.sectors import Sector
from geoseg.vectorize.rings import Regions
from geoseg.vectorize.trace import trace_rings

__all__ = ["Frame", "frame_of_core", "join", "wholes"]

Pixel = tuple[int, int]


def join(parts: Iterable[tuple[Block, Regions]], size: int) -> Regions:
    """Join regions of equal value that meet across block borders.

    Args:
        parts: each block's regions, in the block's own pixel corners.
        size: block side in pixels.

    Returns:
        Regions of the whole in pixel corners of the grid, in raster order of their first pixel.
    """
    blocks = {block: _moved(regions, block, size) for block, regions in parts}
    pieces = list(blocks.values())
    count = sum(map(len, pieces))
    if not count:
        return _empty()
    polygons, first = np.concatenate([r.polygons for r in pieces]), np.concatenate([r.first for r in pieces])
    group = _groups(blocks)
    order = np.lexsort((first[:, 1], first[:, 0], group))
    heads = np.flatnonzero(np.diff(group[order], prepend=-1))
    shapes = polygons[order[heads]]
    sizes = np.diff(np.concatenate([heads, [count]]))
    for k in np.flatnonzero(sizes > 1):
        shapes[k] = _union(polygons[order[heads[k] : heads[k] + sizes[k]]], size)
    where = first[order[heads]]
    final = np.lexsort((where[:, 1], where[:, 0]))
    values = np.concatenate([r.values for r in pieces])[order[heads]]
    pixels = np.add.reduceat(np.concatenate([r.pixels for r in pieces])[order], heads)
    weight = np.add.reduceat(np.concatenate([r.weight for r in pieces])[order], heads)
    return Regions(shapes[final], values[final], where[final], pixels[final], weight[final])


def _empty() -> Regions:
    none = np.zeros(0, np.int64)
    return Regions(np.zeros(0, object), np.zeros(0, np.uint8), np.zeros((0, 2), np.int64), none, none)


def _moved(regions: Regions, block: Block, size: int) -> Regions:
    """The regions in pixel corners of the grid instead of the block's."""
    row, col = block[0] * size, block[1] * size
    polygons = shapely.transform(regions.polygons, lambda xy: np.add(xy, (col, row)))
    first = np.add(regions.first, (row, col))
    return Regions(polygons, regions.values, first, regions.pixels, regions.weight, regions.borders)


class _Bordered(Protocol):
    """A part of a raster: values of its regions, and the region at each pixel of its sides (as `Rings.borders`)."""

    @property
    def values(self) -> Values: ...

    @property
    def borders(self) -> tuple[Ints, ...]: ...


def _groups(parts: Mapping[tuple[int, int], _Bordered]) -> Ints:
    """Group of each region, part after part: regions of one value that meet across a border are one group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    base, total = {}, 0
    for number, part in parts.items():
        base[number], total = total, total + len(part.values)
    pairs = [np.zeros((0, 2), np.int64)]
    for (row, col), part in parts.items():
        for other, mine, theirs in (((row, col + 1), 3, 2), ((row + 1, col), 1, 0)):
            if other in parts:
                a, b = part.borders[mine], parts[other].borders[theirs]
                both = (a >= 0) & (b >= 0)
                a, b = a[both], b[both]
                same = part.values[a] == parts[other].values[b]
                pairs.append(np.unique(np.column_stack([a + base[row, col], b + base[other]])[same], axis=0))
    edges = np.concatenate(pairs)
    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(total, total))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _union(polygons: Shapes, size: int) -> shapely.Geometry:
    """Union of polygons that share edges along block borders: equal edges cancel, then needless corners go."""
    return _corners_only(shapely.coverage_union_all(_with_pixel_nodes(polygons, size)))


def _with_pixel_nodes(polygons: Shapes, size: int) -> Shapes:
    """The polygons with a vertex at every pixel of their edges on block borders, so that both sides match."""
    kind, xy, (rings, parts) = shapely.to_ragged_array(polygons)
    step = np.diff(xy, axis=0)
    on_border = ((step[:, 0] == 0) & (xy[:-1, 0] % size == 0)) | ((step[:, 1] == 0) & (xy[:-1, 1] % size == 0))
    on_border[rings[1:-1] - 1] = False  # no edge leads from one ring to the next
    pieces = np.where(on_border, np.abs(step).sum(1), 1).astype(np.int64)
    pieces[rings[1:-1] - 1] = 1
    start = np.repeat(np.arange(len(step)), pieces)
    first = np.concatenate([[0], np.cumsum(pieces)])
    share = (np.arange(first[-1]) - first[start]) / pieces[start]
    dense = np.vstack([xy[start] + step[start] * share[:, None], xy[-1:]])
    return np.asarray(shapely.from_ragged_array(kind, np.rint(dense), (np.append(first, len(dense))[rings], parts)))


def _corners_only(shape: shapely.Geometry) -> shapely.Geometry:
    """Drop vertices on straight runs, also a ring's first one; all edges lie along rows or columns."""
    kind, xy, offsets = shapely.to_ragged_array([shape])
    rings = offsets[0]
    kept, lengths = [], []
    for a, b in pairwise(rings):
        ring = xy[a : b - 1]
        before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
        corner = ~((before[:, 0] == after[:, 0]) | (before[:, 1] == after[:, 1]))
        ring = ring[corner]
        kept.append(np.vstack([ring, ring[:1]]))
        lengths.append(len(ring) + 1)
    new = (np.concatenate([[0], np.cumsum(lengths)]), *offsets[1:])
    out: shapely.Geometry = shapely.from_ragged_array(kind, np.vstack(kept), new)[0]
    return out


@dataclass(frozen=True)
class Frame:
    """Regions along the sides of a sector's core: class values (N,) and first pixels (N, 2) on the grid.

    `runs`: for the first row, last row, first column and last column (number of the region or -1, pixels) of each run
    (R, 2).
    """

    runs: tuple[Ints, Ints, Ints, Ints]
    values: Values
    first: Ints

    @property
    def borders(self) -> tuple[Ints, ...]:
        """Number of the region at each pixel of each side."""
        return tuple(np.repeat(side[:, 0], side[:, 1]) for side in self.runs)


def frame_of_core(core: Bytes, at: Pixel, skip: int) -> Frame:
    """Frame of a core.

    Args:
        core: clean classes (h, w).
        at: row and column of its first pixel on the grid.
        skip: value of no data.
    """
    rings = trace_rings(core, skip=skip)
    top, bottom, left, right = rings.borders
    known = np.unique(np.concatenate(rings.borders))
    known = known[known >= 0]
    number = np.full(len(rings) + 1, -1, np.int64)
    number[known] = np.arange(len(known))
    runs = _runs(number[top]), _runs(number[bottom]), _runs(number[left]), _runs(number[right])
    return Frame(runs, rings.values[known], rings.first[known] + np.array(at))


def _runs(numbers: Ints) -> Ints:
    """Number and length of each run (R, 2)."""
    heads = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    return np.column_stack([numbers[heads], np.diff(np.append(heads, len(numbers)))])


def wholes(frames: Mapping[Sector, Frame]) -> dict[Sector, dict[Pixel, Pixel]]:
    """First pixel of the whole by the first pixel of its part in a core, for regions that go on in another core."""
    group = _groups(frames)
    first = np.concatenate([np.zeros((0, 2), np.int64), *(f.first for f in frames.values())])
    order = np.lexsort((first[:, 1], first[:, 0], group))
    heads = np.flatnonzero(np.diff(group[order], prepend=-1))
    least = first[order[heads]][group] if len(group) else first
    several = np.bincount(group)[group] > 1 if len(group) else np.zeros(0, bool)
    found: dict[Sector, dict[Pixel, Pixel]] = {}
    base = 0
    for sector, frame in frames.items():
        chosen = base + np.flatnonzero(several[base : base + len(frame.values)])
        pairs = zip(first[chosen].tolist(), least[chosen].tolist(), strict=True)
        found[sector] = {(a, b): (c, d) for (a, b), (c, d) in pairs}
        base += len(frame.values)
    return found

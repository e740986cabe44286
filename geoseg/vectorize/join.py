"""Regions of blocks to regions of the whole: the same polygons as if the raster had been traced at once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from geoseg.arrays import Ints
from geoseg.geometry.blocks import Block
from geoseg.vectorize.trace import Regions

__all__ = ["join"]


def join(parts: Iterable[tuple[Block, Regions]], size: int) -> Regions:
    """Join regions of equal value that meet across block borders.

    Args:
        parts: each block's regions, in the block's own pixel corners.
        size: block side in pixels.

    Returns:
        Regions of the whole in pixel corners of the grid, in raster order of their first pixel.
    """
    blocks: dict[Block, tuple[int, Regions]] = {}
    count = 0
    for block, regions in parts:
        blocks[block] = (count, _moved(regions, block, size))
        count += len(regions)
    if not count:
        return _empty()
    traced = [r for _, r in blocks.values()]
    values, polygons = np.concatenate([r.values for r in traced]), np.concatenate([r.polygons for r in traced])
    first = np.concatenate([r.first for r in traced])
    pixels, weight = np.concatenate([r.pixels for r in traced]), np.concatenate([r.weight for r in traced])
    group = _groups(blocks, values, count)
    order = np.lexsort((first[:, 1], first[:, 0], group))
    heads = np.flatnonzero(np.diff(group[order], prepend=-1))
    sums: list[Ints] = [np.asarray(np.add.reduceat(a[order], heads), np.int64) for a in (pixels, weight)]
    shapes = polygons[order[heads]]
    sizes = np.diff(np.concatenate([heads, [count]]))
    for k in np.flatnonzero(sizes > 1):
        shapes[k] = _united(polygons[order[heads[k] : heads[k] + sizes[k]]], size)
    where = first[order[heads]]
    final = np.lexsort((where[:, 1], where[:, 0]))
    return Regions(shapes[final], values[order[heads]][final], where[final], sums[0][final], sums[1][final])


def _empty() -> Regions:
    none = np.zeros(0, np.int64)
    return Regions(np.zeros(0, object), np.zeros(0, np.uint8), np.zeros((0, 2), np.int64), none, none)


def _moved(regions: Regions, block: Block, size: int) -> Regions:
    """From the block's pixel corners to the grid's."""
    row, col = block[0] * size, block[1] * size
    polygons = shapely.transform(regions.polygons, lambda xy: np.add(xy, (col, row)))
    return Regions(
        polygons, regions.values, np.add(regions.first, (row, col)), regions.pixels, regions.weight, regions.borders
    )


def _groups(blocks: dict[Block, tuple[int, Regions]], values: npt.NDArray[np.uint8], count: int) -> Ints:
    """Group number of each region: regions of one value that meet across a border share one."""
    pairs = []
    for (row, col), (base, regions) in blocks.items():
        for neighbour, mine, theirs in (((row, col + 1), 3, 2), ((row + 1, col), 1, 0)):
            if neighbour in blocks:
                other_base, other = blocks[neighbour]
                a, b = regions.borders[mine], other.borders[theirs]
                both = (a >= 0) & (b >= 0)
                a, b = a[both] + base, b[both] + other_base
                same = values[a] == values[b]
                pairs.append(np.unique(np.column_stack([a[same], b[same]]), axis=0))
    if not pairs:
        return np.arange(count)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate(pairs)
    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _united(polygons: npt.NDArray[np.object_], size: int) -> shapely.Geometry:
    """Union of polygons that share edges along block borders: equal edges cancel, then needless corners go."""
    whole = shapely.coverage_union_all(_noded(polygons, size))
    return _corners_only(whole)


def _noded(polygons: npt.NDArray[np.object_], size: int) -> npt.NDArray[np.object_]:
    """The same polygons with a vertex at every pixel of their edges on block borders, so that edges of both sides match."""
    kind, xy, (rings, parts) = shapely.to_ragged_array(polygons)
    step = np.diff(xy, axis=0)
    on_border = ((step[:, 0] == 0) & (xy[:-1, 0] % size == 0)) | ((step[:, 1] == 0) & (xy[:-1, 1] % size == 0))
    on_border[rings[1:-1] - 1] = False  # from one ring to the next is no edge
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

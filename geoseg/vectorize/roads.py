"""Streets out of impervious surfaces: carriageway told from yards by length and width, and centrelines as a connected graph.

impervious mask (cars and crowns on it bridged, at about 0.25 m) -> long strips in any direction -> places wider than a street are yards ->
skeleton (Zhang, Suen 1984) -> graph of junctions and lines -> short spurs off -> smoothed lines with the width at each point (twice the distance to the
edge).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage

from geoseg.arrays import Mask
from geoseg.vectorize.labels import SIDES, Sides
from geoseg.vectorize.strips import on_long_lines

__all__ = ["Centreline", "RoadOptions", "carriageway", "centrelines"]

Pixel = tuple[int, int]


@dataclass(frozen=True)
class RoadOptions:
    """Metres, areas in m2.

    `narrowest` and `widest` street; `straight`: a street holds straight strips of this length; `gap`: longest stretch of one under crowns or cars, which
    cover at most the rest of `share`; `elongation`: a street is so many times longer than wide; `spur`: dead ends that reach less than this out of the
    street that they hang on go; `smooth`: how far lines may move; `least_area` of a street; `island`: largest tree, kiosk or refuge that a street flows
    around without parting; `junction`: largest place that may be wider than a street without being a yard.
    """

    narrowest: float = 4.0
    widest: float = 18.0
    straight: float = 20.0
    gap: float = 10.0
    share: float = 0.6
    elongation: float = 2.5
    spur: float = 15.0
    smooth: float = 0.3
    least_area: float = 60.0
    island: float = 40.0
    junction: float = 1000.0


@dataclass(frozen=True)
class Centreline:
    """One stretch between junctions or ends: line in pixel corners (x = column, y = row), mean width and length in metres."""

    line: shapely.LineString
    width: float
    length: float


def _disc(radius: float) -> Mask:
    r = int(radius)
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    return np.asarray(x * x + y * y <= radius * radius)


def _shrunk(mask: Mask, radius: float) -> Mask:
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1] > radius)


def _grown(mask: Mask, radius: float) -> Mask:
    return np.asarray(ndimage.distance_transform_edt(~mask) <= radius) if mask.any() else mask


def carriageway(
    impervious: Mask, covering: Mask, pixel: float, options: RoadOptions | None = None, goes_on: Sides = SIDES
) -> Mask:
    """Which pixels (H, W) are street: long and no wider than a street; yards, car parks and thin strips are left out.

    Args:
        impervious: paved ground.
        covering: cars, and crowns that hang over the street: bridged where street lies around them.
        pixel: metres.
        options: see `RoadOptions`.
        goes_on: sides beyond which there is more: what reaches them is long and large.
    """
    options = options or RoadOptions()
    reach = options.narrowest / 2 / pixel
    passable = _without_islands(impervious | covering, options.island / pixel**2)
    lines = on_long_lines(
        _shrunk(passable, reach),
        impervious | (passable & ~covering),
        options.straight / pixel,
        options.gap / pixel,
        options.share,
    )
    wide_enough = _grown(lines, reach) & passable
    core = _shrunk(wide_enough, options.widest / 2 / pixel)
    yard = _large(_grown(core, options.widest / 2 / pixel) & wide_enough, options.junction / pixel**2, goes_on)
    return _long(_large(wide_enough & ~yard, options.least_area / pixel**2, goes_on), options.elongation, goes_on)


def _reaching(labels: npt.NDArray[np.int32], sides: Sides) -> npt.NDArray[np.int32]:
    """Labels at some sides."""
    ends = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    return np.unique(np.concatenate([labels[:0, 0], *(e for e, side in zip(ends, sides, strict=True) if side)]))


def _long(mask: Mask, elongation: float, goes_on: Sides = SIDES) -> Mask:
    """Connected parts that are so many times longer than wide: a strip of length l and width w has area l w and is w / 2 deep."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    depth = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    deepest = ndimage.maximum(depth, labels, np.arange(count + 1))
    area = np.bincount(labels.ravel(), minlength=count + 1)
    keep = area >= elongation * (2 * deepest) ** 2
    keep[_reaching(labels, goes_on)] = True
    keep[0] = False
    return np.asarray(keep[labels])


def _large(mask: Mask, least: float, goes_on: Sides = SIDES) -> Mask:
    """Connected parts of at least so many pixels."""
    labels, count = ndimage.label(mask)
    keep = np.bincount(labels.ravel(), minlength=count + 1) >= least
    keep[_reaching(labels, goes_on)] = True
    keep[0] = False
    return np.asarray(keep[labels])


def _without_islands(mask: Mask, largest: float) -> Mask:
    """Holes of at most so many pixels filled."""
    labels, count = ndimage.label(~mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    fill = sizes <= largest
    fill[0] = False
    fill[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = (
        False  # open at the frame: no hole
    )
    return np.asarray(mask | fill[labels])


def centrelines(
    street: Mask, pixel: float, options: RoadOptions | None = None, inside: tuple[slice, slice] | None = None
) -> list[Centreline]:
    """Centrelines of a street mask (H, W); lines that meet share their junction exactly.

    `inside`: rows and columns of a part of the mask; only what lies there is given, lines that cross its frame end there, at the same point for both sides.
    """
    from skimage.morphology import skeletonize

    options = options or RoadOptions()
    if not street.any():
        return []
    distance = ndimage.distance_transform_edt(np.pad(street, 1, mode="edge"))[1:-1, 1:-1]
    beyond = int(options.widest / pixel)  # streets run on outside, or their lines would fork into the frame's corners
    skeleton = skeletonize(np.pad(street, beyond, mode="edge"))[beyond:-beyond, beyond:-beyond]
    paths = _without_spurs(_paths(skeleton), options.spur / pixel, distance)
    lines = []
    for path in paths:
        xy = np.array([(c + 0.5, r + 0.5) for r, c in path])
        if len(xy) < 2:
            continue
        whole = shapely.LineString(_smoothed(xy))
        for part in [whole] if inside is None else _clipped(whole, inside):
            rows, cols = np.array(path).T if part is whole else _pixels(part, street.shape)
            line = shapely.simplify(part, options.smooth / pixel)
            width = float(2 * np.median(distance[rows, cols]) * pixel)
            lines.append(Centreline(line, width, float(line.length * pixel)))
    return lines


def _clipped(line: shapely.LineString, inside: tuple[slice, slice]) -> list[shapely.LineString]:
    """What of a line lies inside; the very same line where all of it does."""
    rows, cols = inside
    box = shapely.box(cols.start, rows.start, cols.stop, rows.stop)
    if box.covers(line):
        return [line]
    parts = shapely.get_parts(shapely.intersection(line, box))
    parts = [p for p in parts if p.geom_type == "LineString" and not p.is_empty]
    ends = [shapely.get_coordinates(p) for p in parts]
    for xy in ends:
        xy[[0, -1]] = np.rint(xy[[0, -1]] * 64) / 64  # both sides cut the same line, in numbers of their own
    return [shapely.LineString(xy) for xy in ends if len(xy) > 2 or (xy[0] != xy[-1]).any()]


def _pixels(line: shapely.LineString, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Rows and columns of the pixels at a line's vertices."""
    xy = np.floor(shapely.get_coordinates(line)).astype(np.int64)
    return np.asarray(np.clip(xy[:, ::-1].T, 0, np.array(shape)[:, None] - 1), np.int64)


def _neighbours(pixels: set[Pixel], at: Pixel) -> list[Pixel]:
    """8-neighbours on the skeleton; a diagonal one only where no straight step leads there too."""
    r, c = at
    straight = [p for p in ((r, c + 1), (r + 1, c), (r, c - 1), (r - 1, c)) if p in pixels]
    diagonal = [
        (r + i, c + j)
        for i in (-1, 1)
        for j in (-1, 1)
        if (r + i, c + j) in pixels and (r + i, c) not in pixels and (r, c + j) not in pixels
    ]
    return straight + diagonal


def _paths(skeleton: Mask) -> list[list[Pixel]]:
    """Pixel paths between nodes (ends and junctions); rings start anywhere."""
    pixels = {(int(r), int(c)) for r, c in np.argwhere(skeleton)}
    around = {p: _neighbours(pixels, p) for p in pixels}
    nodes = {p for p, n in around.items() if len(n) != 2}
    seen: set[tuple[Pixel, Pixel]] = set()
    paths = []
    for start in sorted(nodes):
        for following in around[start]:
            if (start, following) not in seen:
                paths.append(_walked(start, following, around, nodes, seen))
    left = pixels - nodes - {p for path in paths for p in path}
    while left:  # rings without a junction
        start = min(left)
        path = _walked(start, around[start][0], around, {start}, seen) if around[start] else [start]
        paths.append(path)
        left -= set(path)
    return paths


def _walked(
    start: Pixel, following: Pixel, around: dict[Pixel, list[Pixel]], nodes: set[Pixel], seen: set[tuple[Pixel, Pixel]]
) -> list[Pixel]:
    path = [start, following]
    seen.add((start, following))
    while path[-1] not in nodes:
        ahead = [p for p in around[path[-1]] if p != path[-2]]
        if not ahead:
            break
        path.append(ahead[0])
    seen.add((path[-1], path[-2]))
    return path


def _length(path: list[Pixel]) -> float:
    return float(np.hypot(*np.diff(np.array(path), axis=0).T).sum())


def _without_spurs(paths: list[list[Pixel]], shortest: float, depth: npt.NDArray[np.float64]) -> list[list[Pixel]]:
    """Dead ends that reach less than a length out of the street they hang on removed, shortest first.

    What then passes straight through a former junction is one path again. Those that end at the frame stay: they go on.
    """
    high, wide = depth.shape
    graph = dict(enumerate(paths))
    lengths = {i: _length(p) for i, p in graph.items()}
    at: dict[Pixel, set[int]] = {}
    for i, path in graph.items():
        for end in (path[0], path[-1]):
            at.setdefault(end, set()).add(i)
    for node in sorted(at):
        _join_at(node, graph, lengths, at)

    def is_spur(i: int) -> bool:
        free, held = sorted((graph[i][0], graph[i][-1]), key=lambda end: len(at[end]))
        at_frame = free[0] in (0, high - 1) or free[1] in (0, wide - 1)
        loose = free != held and len(at[free]) == 1 and len(at[held]) > 1
        return loose and not at_frame and lengths[i] < shortest + depth[held]

    longest = shortest + float(depth.max())
    queue = [(lengths[i], i) for i in graph if lengths[i] < longest]
    heapq.heapify(queue)
    while queue:
        length, i = heapq.heappop(queue)
        if i not in graph or lengths[i] != length or not is_spur(i):
            continue
        ends = graph[i][0], graph[i][-1]
        del graph[i]
        for end in ends:
            at[end].discard(i)
            for j in [_join_at(end, graph, lengths, at), *at[end]]:  # a neighbour can be a dead end now
                if j is not None and j in graph and lengths[j] < longest:
                    heapq.heappush(queue, (lengths[j], j))
    return [graph[i] for i in sorted(graph, key=lambda i: graph[i][0])]


def _join_at(
    node: Pixel, graph: dict[int, list[Pixel]], lengths: dict[int, float], at: dict[Pixel, set[int]]
) -> int | None:
    """Join the two paths that alone meet at a node; the number of the joined one, None where there is nothing to join."""
    here = sorted(at[node])
    if len(here) != 2 or any(graph[i][0] == graph[i][-1] for i in here):
        return None
    i, j = here
    first = graph[i] if graph[i][-1] == node else graph[i][::-1]
    second = graph[j] if graph[j][0] == node else graph[j][::-1]
    graph[i] = first + second[1:]
    lengths[i] += lengths[j]
    del graph[j], lengths[j]
    at[node] = set()
    at[second[-1]].discard(j)
    at[second[-1]].add(i)
    return i


def _smoothed(xy: npt.NDArray[np.float64], reach: int = 12) -> npt.NDArray[np.float64]:
    """A running mean with fixed ends; kerbs are ragged, streets are not."""
    if len(xy) < 3:
        return xy
    out = xy.copy()
    for i in range(1, len(xy) - 1):
        k = min(i, len(xy) - 1 - i, reach)
        out[i] = xy[i - k : i + k + 1].mean(0)
    return out

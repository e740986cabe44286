"""Centrelines of streets as a connected graph.

street mask -> skeleton (Zhang, Suen 1984) -> graph of junctions and lines -> short spurs off -> smoothed lines with the
width at each point (twice the distance to the edge)
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import shapely

from geoseg.arrays import Doubles, Ints, Mask
from geoseg.vectorize.strips import RoadOptions, depth_of

__all__ = ["Centreline", "centrelines"]

Pixel = tuple[int, int]


@dataclass(frozen=True)
class Centreline:
    """One stretch between junctions or ends: line in pixel corners, mean width and length in metres."""

    line: shapely.LineString
    width: float
    length: float


def centrelines(
    street: Mask, pixel: float, options: RoadOptions | None = None, inside: tuple[slice, slice] | None = None
) -> list[Centreline]:
    """Centrelines of a street mask; lines that meet share their junction exactly.

    Args:
        street: (H, W).
        pixel: metres.
        options: see `RoadOptions`.
        inside: rows and columns of a part of the mask: lines are cut at its frame, at the same point for both sides,
            and only those inside are given.
    """
    from skimage.morphology import skeletonize

    options = options or RoadOptions()
    if not street.any():
        return []
    distance = depth_of(street)
    # Streets run on outside, or their lines would fork into the frame's corners.
    beyond = int(options.widest / pixel)
    skeleton = skeletonize(np.pad(street, beyond, mode="edge"))[beyond:-beyond, beyond:-beyond]
    paths = _without_spurs(_paths(skeleton), options.spur / pixel, distance)
    lines = []
    for path in paths:
        xy = np.array([(c + 0.5, r + 0.5) for r, c in path])
        if len(xy) < 2:
            continue
        whole = shapely.LineString(_smooth(xy))
        for part in [whole] if inside is None else _clip(whole, inside):
            rows, cols = np.array(path).T if part is whole else _pixels(part, street.shape)
            line = shapely.simplify(part, options.smooth / pixel)
            width = float(2 * np.median(distance[rows, cols]) * pixel)
            lines.append(Centreline(line, width, float(line.length * pixel)))
    return lines


def _clip(line: shapely.LineString, inside: tuple[slice, slice]) -> list[shapely.LineString]:
    """The parts of a line that lie inside; the very same line where all of it does."""
    rows, cols = inside
    box = shapely.box(cols.start, rows.start, cols.stop, rows.stop)
    if box.covers(line):
        return [line]
    parts = shapely.get_parts(shapely.intersection(line, box))
    parts = [p for p in parts if p.geom_type == "LineString" and not p.is_empty]
    ends = [shapely.get_coordinates(p) for p in parts]
    for xy in ends:
        # Both sides cut the same line, in numbers of their own.
        xy[[0, -1]] = np.rint(xy[[0, -1]] * 64) / 64
    return [shapely.LineString(xy) for xy in ends if len(xy) > 2 or (xy[0] != xy[-1]).any()]


def _pixels(line: shapely.LineString, shape: tuple[int, ...]) -> Ints:
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
                path = _walk(start, following, around, nodes)
                seen |= {(start, following), (path[-1], path[-2])}
                paths.append(path)
    left = pixels - nodes - {p for path in paths for p in path}
    while left:  # rings without a junction
        start = min(left)
        path = _walk(start, around[start][0], around, {start}) if around[start] else [start]
        paths.append(path)
        left -= set(path)
    return paths


def _walk(start: Pixel, following: Pixel, around: dict[Pixel, list[Pixel]], nodes: set[Pixel]) -> list[Pixel]:
    """The path from a pixel over one of its neighbours to the next node, or to where it ends."""
    path = [start, following]
    while path[-1] not in nodes:
        ahead = [p for p in around[path[-1]] if p != path[-2]]
        if not ahead:
            break
        path.append(ahead[0])
    return path


class _Graph:
    """Paths by number, their lengths in pixels, and the numbers of those that end at each node."""

    def __init__(self, paths: list[list[Pixel]]) -> None:
        self.paths = dict(enumerate(paths))
        self.lengths = {i: float(np.hypot(*np.diff(np.array(p), axis=0).T).sum()) for i, p in self.paths.items()}
        self.at: dict[Pixel, set[int]] = {}
        for i, path in self.paths.items():
            for end in (path[0], path[-1]):
                self.at.setdefault(end, set()).add(i)
        for node in sorted(self.at):
            self.join_at(node)

    def remove(self, i: int) -> list[int]:
        """Take a path out; returns the paths at its ends, joined where two are left: they may be dead ends now."""
        path = self.paths.pop(i)
        touched = []
        for end in (path[0], path[-1]):
            self.at[end].discard(i)
            new = self.join_at(end)
            touched += [*([] if new is None else [new]), *self.at[end]]
        return touched

    def join_at(self, node: Pixel) -> int | None:
        """Join the two paths that alone meet at a node; returns the number of the joined one, None if none was."""
        here = sorted(self.at[node])
        if len(here) != 2 or any(self.paths[i][0] == self.paths[i][-1] for i in here):
            return None
        i, j = here
        first = self.paths[i] if self.paths[i][-1] == node else self.paths[i][::-1]
        second = self.paths[j] if self.paths[j][0] == node else self.paths[j][::-1]
        self.paths[i] = first + second[1:]
        self.lengths[i] += self.lengths[j]
        del self.paths[j], self.lengths[j]
        self.at[node] = set()
        self.at[second[-1]].discard(j)
        self.at[second[-1]].add(i)
        return i


def _without_spurs(paths: list[list[Pixel]], shortest: float, depth: Doubles) -> list[list[Pixel]]:
    """Paths without the dead ends that reach less than a length out of their street, removed shortest first.

    What then passes straight through a former junction is one path again. Those that end at the frame stay: they go on.
    """
    high, wide = depth.shape
    graph = _Graph(paths)

    def is_spur(i: int) -> bool:
        ends = (graph.paths[i][0], graph.paths[i][-1])
        free, held = sorted(ends, key=lambda end: len(graph.at[end]))
        at_frame = free[0] in (0, high - 1) or free[1] in (0, wide - 1)
        loose = free != held and len(graph.at[free]) == 1 and len(graph.at[held]) > 1
        return loose and not at_frame and graph.lengths[i] < shortest + depth[held]

    longest = shortest + float(depth.max())
    queue = [(graph.lengths[i], i) for i in graph.paths if graph.lengths[i] < longest]
    heapq.heapify(queue)
    while queue:
        length, i = heapq.heappop(queue)
        if i not in graph.paths or graph.lengths[i] != length or not is_spur(i):
            continue
        for j in graph.remove(i):
            if j in graph.paths and graph.lengths[j] < longest:
                heapq.heappush(queue, (graph.lengths[j], j))
    return [graph.paths[i] for i in sorted(graph.paths, key=lambda i: graph.paths[i][0])]


def _smooth(xy: Doubles, reach: int = 12) -> Doubles:
    """A running mean with fixed ends; kerbs are ragged, streets are not."""
    if len(xy) < 3:
        return xy
    out = xy.copy()
    for i in range(1, len(xy) - 1):
        k = min(i, len(xy) - 1 - i, reach)
        out[i] = xy[i - k : i + k + 1].mean(0)
    return out

"""Buildings with right angles: outlines turned to their main directions.

outline -> thin limbs off -> Douglas-Peucker edges -> main direction -> each edge to the nearest of 8 directions,
placed by least squares on the outline that it stands for -> parallel neighbours merged or joined by a step -> short
edges out, shortest first -> corners by intersection. A building that fits worse than IoU 0.85 keeps its simplified
outline, and `status` says so; a round one stays round.

Lengths are in the units of the coordinates; call it in metres on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geoseg.arrays import Doubles
from geoseg.geometry.boxes import smallest_box

__all__ = ["SquareOptions", "Squared", "square_building"]


@dataclass(frozen=True)
class SquareOptions:
    """Sizes in the units of the coordinates.

    Attributes:
        tolerance: wobble of the outline that is noise.
        shortest: shorter edges go.
        diagonal: edges from this length on may lie at 45 degrees.
        round_from: compactness 4 pi A / P^2 from which on a building is round.
        least_iou: a building that fits worse keeps its simplified outline.
        least_hole: area of the smallest hole.
        limb: limbs thinner than twice this go.
    """

    tolerance: float = 0.4
    shortest: float = 1.1
    diagonal: float = 2.5
    round_from: float = 0.9
    least_iou: float = 0.85
    least_hole: float = 2.0
    limb: float = 0.2


@dataclass(frozen=True)
class Squared:
    """A building: polygon, status ("squared", "round", "simplified"), IoU with the raw outline, direction.

    The main direction, `orientation`, is in degrees, 0 to 90.
    """

    polygon: shapely.Polygon
    status: str
    iou: float
    orientation: float


@dataclass(frozen=True)
class _Edge:
    """One edge: direction (times 45 degrees from the axis), offset along its normal, weight, where it ended."""

    k: int
    offset: float
    weight: float
    end: Doubles


def square_building(raw: shapely.Polygon, options: SquareOptions | None = None) -> Squared:
    """Square the outline of one building.

    Args:
        raw: valid polygon, for instance exact pixel outlines.
        options: see `SquareOptions`.
    """
    options = options or SquareOptions()
    body = _without_limbs(raw, options)
    base = shapely.simplify(body, options.tolerance)
    if base.is_empty or base.geom_type != "Polygon" or not base.is_valid:
        base = body
    axis = _main_direction(base)
    degrees = float(np.degrees(axis) % 90)
    if _compactness(shapely.simplify(body, options.tolerance / 2)) >= options.round_from:
        polygon = shapely.simplify(body, options.tolerance / 4)
        return Squared(polygon, "round", _iou(polygon, raw), degrees)
    tried = [_at_axis(base, body, raw, a, options) for a in dict.fromkeys((axis, _box_direction(body)))]
    best = max((t for t in tried if t is not None), key=lambda t: t.iou, default=None)
    if best is not None and best.iou >= options.least_iou:
        return best
    return Squared(base, "simplified", _iou(base, raw), degrees)


def _at_axis(
    base: shapely.Polygon, body: shapely.Polygon, raw: shapely.Polygon, axis: float, options: SquareOptions
) -> Squared | None:
    """The building squared to one axis; None where too few edges are left or they cross."""
    rings = [_square_ring(r, body, axis, options) for r in shapely.get_rings(base)]
    if rings[0] is None:
        return None
    holes = [r for r in rings[1:] if r is not None and shapely.Polygon(r).area >= options.least_hole]
    polygon = shapely.Polygon(rings[0], holes)
    return Squared(polygon, "squared", _iou(polygon, raw), float(np.degrees(axis) % 90)) if polygon.is_valid else None


def _box_direction(body: shapely.Polygon) -> float:
    """Angle (radians) of the smallest box: better than the edges where a building has but few pixels."""
    _, a, _ = smallest_box(body)
    return float(np.arctan2(a[1], a[0]))


def _without_limbs(raw: shapely.Polygon, options: SquareOptions) -> shapely.Polygon:
    """The largest part that is left without limbs thinner than twice `limb`, and without small holes."""
    holes = [h for h in raw.interiors if shapely.Polygon(h).area >= options.least_hole]
    # Pixel stairs cost time and say nothing.
    filled = shapely.simplify(shapely.Polygon(raw.exterior, holes), options.limb / 4)
    with np.errstate(divide="ignore", invalid="ignore"):  # GEOS divides by zero inside and copes
        thin = filled.buffer(-options.limb, join_style="mitre")
        opened = thin.buffer(options.limb, join_style="mitre", mitre_limit=2)
    parts = [p for p in shapely.get_parts(opened) if p.geom_type == "Polygon" and p.area > 0]
    return max(parts, key=lambda p: p.area) if parts else filled


def _compactness(polygon: shapely.Polygon) -> float:
    """4 pi A / P^2 of the outer ring: 1 for a circle."""
    around = polygon.exterior.length
    return float(4 * np.pi * shapely.Polygon(polygon.exterior).area / around**2) if around else 0.0


def _iou(a: shapely.Geometry, b: shapely.Geometry) -> float:
    """Intersection over union."""
    both = a.intersection(b).area
    return float(both / max(a.area + b.area - both, 1e-12))


def _main_direction(polygon: shapely.Polygon) -> float:
    """Angle (radians) that most of the outline is parallel or at right angles to.

    It is the mean of 4 times the angle, weighted by length squared.
    """
    steps = np.concatenate([np.diff(shapely.get_coordinates(r), axis=0) for r in shapely.get_rings(polygon)])
    length, angle = np.hypot(steps[:, 0], steps[:, 1]), np.arctan2(steps[:, 1], steps[:, 0])
    axis = float(np.angle((length**2 * np.exp(4j * angle)).sum()) / 4)
    off = np.abs((angle - axis + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    near = off < np.radians(15)  # diagonals have no say
    if near.any():
        axis = float(np.angle((length[near] ** 2 * np.exp(4j * angle[near])).sum()) / 4)
    return axis


def _square_ring(
    ring: shapely.LinearRing, body: shapely.Polygon, axis: float, options: SquareOptions
) -> Doubles | None:
    """Corners (N, 2) of one squared ring; None where fewer than four edges are left."""
    corners = shapely.get_coordinates(ring)[:-1]
    if len(corners) < 4:
        return None
    edges = _merge(_edges(corners, _outline_near(ring, body), axis, options), axis, options)
    while edges is not None and len(edges) > 4:
        lengths = _lengths(edges, axis)
        shortest = int(np.argmin(lengths))
        if lengths[shortest] >= options.shortest:
            break
        edges = _merge([e for i, e in enumerate(edges) if i != shortest], axis, options)
    return None if edges is None or len(edges) < 4 else _corners(edges, axis)


def _outline_near(ring: shapely.LinearRing, body: shapely.Polygon) -> Doubles:
    """Points of the body's own ring that this simplified ring stands for, dense enough to fit lines to."""
    rings = shapely.get_rings(body)
    mine = min(rings, key=lambda r: abs(r.length - ring.length) + shapely.hausdorff_distance(r, ring))
    return np.asarray(shapely.get_coordinates(shapely.segmentize(mine, 0.25)))[:-1]


def _normal(k: int, axis: float) -> Doubles:
    """Normal (2,) of edges in a direction."""
    angle = axis + k * np.pi / 4
    return np.array([-np.sin(angle), np.cos(angle)])


def _edges(corners: Doubles, outline: Doubles, axis: float, options: SquareOptions) -> list[_Edge]:
    """Edges with direction and offset; the offset is the mean of the outline's points between the edge's ends."""
    following = np.roll(corners, -1, axis=0)
    starts = np.array([int(np.argmin(((outline - c) ** 2).sum(1))) for c in corners])
    edges = []
    for i, (a, b) in enumerate(zip(corners, following, strict=True)):
        step = b - a
        length = float(np.hypot(*step))
        turn = (np.arctan2(step[1], step[0]) - axis) / (np.pi / 4)
        k = int(np.rint(turn))
        if k % 2 and (length < options.diagonal or abs(turn - k) > 0.3):
            k = 2 * int(np.rint(turn / 2))
        first, last = starts[i], starts[(i + 1) % len(starts)]
        count = (last - first) % len(outline)
        along = 2 < count < len(outline) // 2
        span = outline[(first + np.arange(count + 1)) % len(outline)] if along else np.stack([a, b])
        trim = len(span) // 8  # corners are rounded: the middle says where the wall is
        span = span[trim : len(span) - trim]
        edges.append(_Edge(k % 8, float((span @ _normal(k, axis)).mean()), length, b))
    return edges


def _merge(edges: list[_Edge], axis: float, options: SquareOptions) -> list[_Edge] | None:
    """The edges without parallel neighbours; None where fewer than three are left."""
    while len(edges) >= 3:
        i = next((i for i in range(len(edges)) if not (edges[i].k - edges[(i + 1) % len(edges)].k) % 4), None)
        if i is None:
            return edges
        edges = _merge_at(edges, i, axis, options)
    return None


def _merge_at(edges: list[_Edge], i: int, axis: float, options: SquareOptions) -> list[_Edge]:
    """Merge edge i and the next one, which is parallel, or join them by a step if they are far from one line."""
    j = (i + 1) % len(edges)
    a, b = edges[i], edges[j]
    if a.k != b.k:  # it turns back on itself: the shorter one is a spike
        gone = i if a.weight < b.weight else j
        return [e for n, e in enumerate(edges) if n != gone]
    shift = b.offset - a.offset
    if abs(shift) >= options.shortest:
        k = (a.k + (2 if shift > 0 else -2)) % 8
        step = _Edge(k, float(a.end @ _normal(k, axis)), abs(shift), a.end)
        return [*edges[: i + 1], step, *edges[i + 1 :]]
    total = a.weight + b.weight
    one = _Edge(a.k, (a.offset * a.weight + b.offset * b.weight) / total, total, b.end)
    return [one, *edges[1:-1]] if j == 0 else [*edges[:i], one, *edges[j + 1 :]]


def _corners(edges: list[_Edge], axis: float) -> Doubles | None:
    """Points (N, 2) where consecutive edges meet; None where two of them are parallel."""
    normals = np.array([_normal(e.k, axis) for e in edges])
    offsets = np.array([e.offset for e in edges])
    matrices = np.stack([normals, np.roll(normals, -1, axis=0)], 1)
    if (np.abs(np.linalg.det(matrices)) < 1e-6).any() or not np.isfinite(offsets).all():
        return None
    return np.asarray(np.linalg.solve(matrices, np.stack([offsets, np.roll(offsets, -1)], 1)[..., None])[..., 0])


def _lengths(edges: list[_Edge], axis: float) -> Doubles:
    """Lengths (N,) of the edges; 0 for all where they have no corners."""
    corners = _corners(edges, axis)
    if corners is None:
        return np.zeros(len(edges))
    return np.asarray(np.hypot(*(corners - np.roll(corners, 1, axis=0)).T))

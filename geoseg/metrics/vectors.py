"""Scores of polygons and lines against true ones, all lengths in metres on the ground.

Objects are paired first (`objects.match_shapes`); scores of shape are means over the pairs. Show several side by side:
PoLiS flatters outlines with very many vertices (Avbelj et al. 2015, section V), complexity-aware IoU does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely

from geoseg.arrays import Doubles, Shapes
from geoseg.metrics.objects import match_shapes

__all__ = [
    "boundary_f1",
    "centreline_scores",
    "complexity_iou",
    "corner_error",
    "corners",
    "crown_scores",
    "max_tangent_angle",
    "object_scores",
    "orientation_error",
    "polis",
    "shape_scores",
]


def corners(shape: shapely.Geometry) -> int:
    """Number of vertices of all rings, without closing points."""
    return int(shapely.get_num_coordinates(shape)) - len(shapely.get_rings(shape))


def _rings(shape: shapely.Geometry) -> list[Doubles]:
    return [shapely.get_coordinates(r)[:-1] for r in shapely.get_rings(shape)]


def complexity_iou(a: shapely.Geometry, b: shapely.Geometry) -> float:
    """C-IoU: IoU (1 - |Na - Nb| / (Na + Nb)), where N counts vertices (Zorzi et al. 2022, PolyWorld, eq. 10)."""
    both = a.intersection(b).area
    na, nb = corners(a), corners(b)
    return float(both / max(a.area + b.area - both, 1e-12) * (1 - abs(na - nb) / max(na + nb, 1)))


def polis(a: shapely.Geometry, b: shapely.Geometry) -> float:
    """PoLiS (Avbelj et al. 2015, eq. 3), in the unit of the coordinates.

    The mean of two mean distances: of the vertices of a to the outline of b, and of those of b to the outline of a.
    """

    def one_way(of: shapely.Geometry, to: shapely.Geometry) -> float:
        points = shapely.points(np.concatenate(_rings(of)))
        return float(shapely.distance(points, shapely.boundary(to)).mean())

    return 0.5 * one_way(a, b) + 0.5 * one_way(b, a)


def max_tangent_angle(found: shapely.Geometry, truth: shapely.Geometry, step: float = 0.1) -> float:
    """Largest angle (degrees) between a piece of the found outline and its projection onto the true one.

    Girard et al. 2021, section 4.2. Pieces have a length of `step`; those whose projection is shorter than half or
    longer than twice their own length are left out.
    """
    outline, worst = shapely.boundary(truth), 0.0
    for ring in shapely.get_rings(found):
        xy = shapely.get_coordinates(shapely.segmentize(ring, step))
        places = shapely.line_locate_point(outline, shapely.points(xy)) if outline.geom_type == "LineString" else None
        on = shapely.line_interpolate_point(outline, places) if places is not None else _nearest(outline, xy)
        a, b = np.diff(xy, axis=0), np.diff(shapely.get_coordinates(on), axis=0)
        la, lb = np.hypot(*a.T), np.hypot(*b.T)
        fair = (la > 1e-9) & (lb > 0.5 * la) & (lb < 2 * la)
        if fair.any():
            cosine = np.abs((a * b).sum(1)[fair] / (la[fair] * lb[fair]))
            worst = max(worst, float(np.degrees(np.arccos(np.clip(cosine, 0, 1))).max()))
    return worst


def _nearest(outline: shapely.Geometry, xy: Doubles) -> Shapes:
    """Nearest points of an outline of several rings."""
    return np.asarray(shapely.get_point(shapely.shortest_line(shapely.points(xy), outline), 1))


def corner_error(shape: shapely.Geometry) -> float:
    """Mean distance (degrees) of the angles at all corners from the nearest multiple of a right angle: 0 is square."""
    errors = []
    for ring in _rings(shape):
        a, b = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
        turn = np.degrees(np.abs(np.arctan2(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(1))))
        errors.append(np.minimum(np.abs(turn - 90), np.minimum(turn, np.abs(180 - turn))))
    return float(np.concatenate(errors).mean())


def _direction(shape: shapely.Geometry) -> float:
    """Main direction in radians, modulo a right angle: mean of 4 times the edges' angles, by length squared."""
    steps = np.concatenate([np.diff(np.vstack([r, r[:1]]), axis=0) for r in _rings(shape)])
    length, angle = np.hypot(*steps.T), np.arctan2(steps[:, 1], steps[:, 0])
    return float(np.angle((length**2 * np.exp(4j * angle)).sum()) / 4)


def orientation_error(a: shapely.Geometry, b: shapely.Geometry) -> float:
    """Difference of main directions in degrees, 0 to 45 (Microsoft building footprints: rotation error)."""
    turn = np.degrees(_direction(a) - _direction(b)) % 90
    return float(min(turn, 90 - turn))


def boundary_f1(found: Shapes, truth: Shapes, within: float, step: float = 0.25) -> float | None:
    """F1 of the shares of both outlines near the other one (Csurka et al. 2013); None where both are empty."""
    if not len(found) and not len(truth):
        return None
    if not len(found) or not len(truth):
        return 0.0

    def share(of: Shapes, to: Shapes) -> float:
        points = shapely.points(shapely.get_coordinates(shapely.segmentize(shapely.boundary(of), step)))
        near = shapely.STRtree(shapely.boundary(to)).query(points, predicate="dwithin", distance=within)[0]
        return len(np.unique(near)) / len(points)

    precision, recall = share(found, truth), share(truth, found)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def object_scores(found: Shapes, truth: Shapes) -> dict[str, float | int | None]:
    """Precision, recall, F1 and panoptic quality at IoU 0.5, and the mean F1 at 0.50, 0.55 ... 0.95 (COCO's steps)."""
    counts, _ = match_shapes(truth, found)
    several = [match_shapes(truth, found, t)[0].scores()["f1"] for t in np.arange(0.5, 0.96, 0.05)]
    known = [v for v in several if v is not None]
    return {**counts.scores(), "f1_50_95": float(np.mean(known)) if known else None}


def shape_scores(found: Shapes, truth: Shapes) -> dict[str, float | None]:
    """Means of the scores of shape over pairs with an IoU of at least 0.5; None without a pair."""
    _, pairs = match_shapes(truth, found)
    both = [(found[j], truth[i]) for i, j in pairs.tolist()]

    def mean(score: Callable[[shapely.Geometry, shapely.Geometry], float]) -> float | None:
        return float(np.mean([score(f, t) for f, t in both])) if both else None

    return {
        "iou": mean(lambda f, t: f.intersection(t).area / f.union(t).area),
        "c_iou": mean(complexity_iou),
        "polis_m": mean(polis),
        "vertices": mean(lambda f, t: corners(f)),
        "vertex_ratio": mean(lambda f, t: corners(f) / corners(t)),
        "max_tangent_angle_deg": mean(max_tangent_angle),
        "corner_error_deg": mean(lambda f, t: corner_error(f)),
        "orientation_error_deg": mean(orientation_error),
    }


def crown_scores(found: Shapes, truth: Shapes) -> dict[str, float | None]:
    """Error of the count, as a share of the true count, and means over pairs with an IoU of at least 0.5.

    These are the error of the diameter of the circle of equal area, and the distance of centres; None without a pair.
    """
    _, pairs = match_shapes(truth, found)
    a, b = truth[pairs[:, 0]], found[pairs[:, 1]]
    diameter = [2 * np.sqrt(shapely.area(s) / np.pi) for s in (a, b)]
    apart = shapely.distance(shapely.centroid(a), shapely.centroid(b))
    return {
        "count_error": (len(found) - len(truth)) / len(truth) if len(truth) else None,
        "diameter_error_m": float(np.abs(diameter[0] - diameter[1]).mean()) if len(pairs) else None,
        "centre_distance_m": float(apart.mean()) if len(pairs) else None,
    }


def centreline_scores(found: Shapes, truth: Shapes, within: float = 1.0) -> dict[str, float | None]:
    """Completeness, correctness and quality by length within a buffer (Wiedemann et al. 1998, section 3)."""
    lines, reference = shapely.union_all(found), shapely.union_all(truth)
    missed = reference.difference(lines.buffer(within)).length
    hit_reference = reference.length - missed
    hit_found = lines.intersection(reference.buffer(within)).length
    false = lines.length - hit_found
    whole = hit_found + false + missed
    return {
        "true_length_m": float(reference.length),
        "found_length_m": float(lines.length),
        "completeness": float(hit_reference / reference.length) if reference.length else None,
        "correctness": float(hit_found / lines.length) if lines.length else None,
        "quality": float(hit_found / whole) if whole else None,
    }

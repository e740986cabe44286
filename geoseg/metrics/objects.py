"""Scores by object: found shapes are paired with true ones.

A pair counts where its intersection over union (IoU) reaches a limit. At 0.5 and above each shape has at most one
partner, so the pairs are unique. Panoptic quality: Kirillov et al. 2019, eq. 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geoseg.arrays import Ints, Shapes

__all__ = ["ObjectCounts", "match_boxes", "match_shapes"]


@dataclass(frozen=True)
class ObjectCounts:
    """Counts of objects, which add up over sheets.

    `hit` true objects were found, `extra` found ones are no objects, `missed` true ones were not found; `overlap` is
    the sum of the IoU of all pairs.
    """

    hit: int = 0
    extra: int = 0
    missed: int = 0
    overlap: float = 0.0

    def __add__(self, other: ObjectCounts) -> ObjectCounts:
        return ObjectCounts(
            self.hit + other.hit, self.extra + other.extra, self.missed + other.missed, self.overlap + other.overlap
        )

    def scores(self) -> dict[str, float | int | None]:
        """Precision, recall, F1 and panoptic quality; None where there is nothing to divide by."""
        found, truth = self.hit + self.extra, self.hit + self.missed
        return {
            "true_objects": truth,
            "found_objects": found,
            "precision": self.hit / found if found else None,
            "recall": self.hit / truth if truth else None,
            "f1": 2 * self.hit / (found + truth) if found + truth else None,
            "panoptic_quality": 2 * self.overlap / (found + truth) if found + truth else None,
        }


def match_shapes(truth: Shapes, found: Shapes, least: float = 0.5) -> tuple[ObjectCounts, Ints]:
    """Counts, and the pairs (N, 2) of indices (true, found) with an IoU of at least `least`, which is 0.5 or more."""
    if not len(truth) or not len(found):
        return ObjectCounts(0, len(found), len(truth)), np.zeros((0, 2), np.int64)
    a, b = shapely.STRtree(found).query(truth, predicate="intersects")
    both = shapely.area(shapely.intersection(truth[a], found[b]))
    either = shapely.area(truth[a]) + shapely.area(found[b]) - both
    iou = both / np.maximum(either, 1e-12)
    good = iou >= least
    a, b, iou = a[good], b[good], iou[good]
    pairs, used_a, used_b, total = [], set(), set(), 0.0
    for k in np.argsort(-iou, kind="stable"):  # a shape has two partners only at exactly 0.5
        if int(a[k]) not in used_a and int(b[k]) not in used_b:
            used_a.add(int(a[k]))
            used_b.add(int(b[k]))
            pairs.append((int(a[k]), int(b[k])))
            total += float(iou[k])
    counts = ObjectCounts(len(pairs), len(found) - len(pairs), len(truth) - len(pairs), total)
    return counts, np.array(pairs, np.int64).reshape(-1, 2)


def match_boxes(boxes: Shapes, found: Shapes) -> ObjectCounts:
    """Counts where truth is boxes: a shape is right if its centre is in a box that no other shape has taken."""
    if not len(boxes) or not len(found):
        return ObjectCounts(0, len(found), len(boxes))
    centres = shapely.centroid(found)
    taken: set[int] = set()
    hit = 0
    tree = shapely.STRtree(boxes)
    for centre in centres:
        near = [int(i) for i in tree.query(centre, predicate="intersects") if int(i) not in taken]
        if near:
            taken.add(min(near, key=lambda i: shapely.distance(shapely.centroid(boxes[i]), centre)))
            hit += 1
    return ObjectCounts(hit, len(found) - hit, len(boxes) - hit)

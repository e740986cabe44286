"""Colours for houses: two that share a wall never have the same one, so a raster of few codes keeps them apart.

Houses of a region are a planar map. Taken in the order in which the one with the fewest neighbours left comes last, six
colours are always enough (Matula and Beck 1983, section 4: such a map always holds one with at most five).
"""

from __future__ import annotations

import numpy as np

from geoseg.arrays import Bytes, Ints, Labels

__all__ = ["COLOURS", "coloured"]

COLOURS = 6


def coloured(houses: Labels) -> Bytes:
    """Colour 0 to 5 (H, W) of the houses 1 to N of a raster (H, W); 0 where there is none.

    Houses are neighbours where two of their pixels share a side. The same houses always get the same colours.
    """
    count = int(houses.max(initial=0))
    beside = _neighbours(houses, count)
    order: list[int] = []
    left = {i: set(beside[i]) for i in range(1, count + 1)}
    while left:
        least = min(left, key=lambda i: (len(left[i]), i))
        for other in left.pop(least):
            left[other].discard(least)
        order.append(least)
    colour = np.zeros(count + 1, np.uint8)
    done: set[int] = set()
    for i in reversed(order):
        taken = {int(colour[j]) for j in beside[i] if j in done}
        colour[i] = next(c for c in range(COLOURS) if c not in taken)
        done.add(i)
    return np.asarray(colour[houses], np.uint8)


def _neighbours(houses: Labels, count: int) -> list[set[int]]:
    """For each house the numbers of those that it touches along a side."""
    beside: list[set[int]] = [set() for _ in range(count + 1)]
    for a, b in ((houses[:, 1:], houses[:, :-1]), (houses[1:], houses[:-1])):
        pairs: Ints = np.stack([a.ravel(), b.ravel()], 1)
        pairs = np.unique(pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs > 0).all(1)], axis=0)
        for i, j in pairs.tolist():
            beside[i].add(j)
            beside[j].add(i)
    return beside

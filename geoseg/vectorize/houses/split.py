"""Cut a region of buildings into houses where a network sees that they meet.

deep inside and away from contact: seeds -> flooded outward, more slowly across contact -> houses meet on its ridge

Seeds as in a watershed on interior distance (Beucher and Meyer 1993, section 12.4), the flooding by shortest paths over
whole numbers (Dial 1969), so that every machine and every window that holds the region cuts it alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from geoseg.arrays import Bytes, Labels, Mask
from geoseg.kernel import kernel
from geoseg.vectorize.labels import with_room

__all__ = ["HouseOptions", "split_houses"]

DEAREST = 12
"""More than what a step can cost: 1, and up to 10 across contact."""


@dataclass(frozen=True)
class HouseOptions:
    """How houses are told apart.

    Attributes:
        contact: per cent from which on a pixel is contact.
        depth: metres from the outline, and from contact, to a seed.
        least: square metres of the smallest seed.
    """

    contact: int = 50
    depth: float = 0.4
    least: float = 8.0


def split_houses(region: Mask, contact: Bytes, gsd: float, options: HouseOptions | None = None) -> Labels:
    """Houses of one region: int32 (H, W), 0 outside, and 1 to N in it, by their first seed from the top.

    Each house is connected along rows and columns. A region without two seeds is one house.

    Args:
        region: bool (H, W), connected along rows and columns.
        contact: in per cent (H, W); 255 counts as none.
        gsd: metres along a pixel.
        options: how houses are told apart.
    """
    options = options or HouseOptions()
    meets = (contact >= options.contact) & (contact <= 100)
    whole = region.astype(np.int32)
    if not (meets & region).any():
        return whole
    deep = ndimage.distance_transform_edt(np.pad(region & ~meets, 1))[1:-1, 1:-1] > options.depth / gsd
    seeds, count = ndimage.label(deep)
    large = np.bincount(seeds.ravel(), minlength=count + 1) >= options.least / gsd**2
    large[0] = False
    if large.sum() < 2:
        return whole
    number = np.where(large, np.cumsum(large), 0).astype(np.int32)
    cost = 1 + np.where(contact <= 100, contact, 0) // 10
    return _flood(number[seeds], np.ascontiguousarray(region), cost.astype(np.uint8))


@kernel
def _flood(seeds: Labels, region: Mask, cost: Bytes) -> Labels:
    """Every pixel of a region gets the seed that reaches it at the lowest cost, along rows and columns.

    Pixels wait in a ring of lists by their cost. On equal terms the one that was added last goes on first.
    """
    high, wide = seeds.shape
    out = np.zeros((high, wide), np.int32)
    cheapest = np.full((high, wide), 1 << 30, np.int32)
    heads = np.full(DEAREST, -1, np.int32)
    pixel = np.flatnonzero(seeds.ravel())[::-1].astype(np.int32)
    seed, count = seeds.ravel()[pixel], len(pixel)
    after = np.arange(-1, count - 1).astype(np.int32)
    heads[0], waiting, level = count - 1, count, 0
    while waiting:
        while heads[level % DEAREST] >= 0:
            k = heads[level % DEAREST]
            heads[level % DEAREST] = after[k]
            waiting -= 1
            r, c = pixel[k] // wide, pixel[k] % wide
            if out[r, c]:
                continue
            out[r, c] = seed[k]
            pixel, seed, after = with_room(pixel, count + 4), with_room(seed, count + 4), with_room(after, count + 4)
            for side in range(4):
                y, x = r + (side == 0) - (side == 1), c + (side == 2) - (side == 3)
                if 0 <= y < high and 0 <= x < wide and region[y, x] and level + cost[y, x] < cheapest[y, x]:
                    cheapest[y, x] = level + cost[y, x]
                    turn = cheapest[y, x] % DEAREST
                    pixel[count], seed[count], after[count] = y * wide + x, seed[k], heads[turn]
                    heads[turn] = count
                    count += 1
                    waiting += 1
        level += 1
    return out

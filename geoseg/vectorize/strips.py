"""Long strips of a mask in any direction: what a street is, and a yard, a driveway or a court is not.

Openings by line segments of many directions (Soille, Talbot 2001), with gaps where something hangs over the ground.
"""

from __future__ import annotations

import numba
import numpy as np

from geoseg.arrays import Mask

__all__ = ["on_long_lines"]


@numba.njit(cache=True, nogil=True)
def _opened(passable, solid, slope, least, gap, share, out):  # type: ignore[no-untyped-def]
    """Mark the long runs on all lines y = y0 + slope x, |slope| <= 1; every pixel lies on exactly one of them.

    A run begins and ends on solid pixels and may cross passable ones, `gap` in a row at most. Lengths in pixels along the line.
    """
    high, wide = passable.shape
    unit = np.hypot(1.0, slope)
    lean = int(np.ceil(abs(slope) * wide))
    for y0 in range(-lean, high + lean):
        start, last, count, whole = -1, -1, 0, 0.0
        for x in range(wide + 1):
            y = y0 + int(np.rint(slope * x))
            inside = x < wide and 0 <= y < high
            here = inside and passable[y, x]
            if here and solid[y, x]:
                if start < 0:
                    start, count = x, 0
                    before = y0 + int(np.rint(slope * (x - 1)))
                    whole = least if x > 0 and 0 <= before < high else 0.5 * least  # cut by the frame: half will do
                last = x
                count += 1
            elif start >= 0 and (not here or (x - last) * unit > gap):
                if not inside and last == x - 1:
                    whole = 0.5 * least
                long = (last - start + 1) * unit
                if long >= whole and count * unit >= share * long:
                    for k in range(start, last + 1):
                        out[y0 + int(np.rint(slope * k)), k] = True
                start = -1


def on_long_lines(passable: Mask, solid: Mask, least: float, gap: float, share: float, directions: int = 32) -> Mask:
    """Pixels (H, W) on a straight line of at least `least` passable pixels in any of some directions.

    Args:
        passable: where a line may run.
        solid: where it must begin and end, and which is at least a `share` of it.
        least: shortest line, in pixels; half of it where the frame cuts the line.
        gap: longest stretch in pixels that is passable only.
        share: 0 to 1.
        directions: how many, evenly over half a turn.
    """
    out = np.zeros(passable.shape, np.bool_)
    solid = solid & passable
    turned = np.ascontiguousarray(passable.T), np.ascontiguousarray(solid.T), np.zeros(out.T.shape, np.bool_)
    for k in range(directions):
        angle = np.pi * (k / directions - 0.25)
        if k < directions // 2:
            _opened(passable, solid, float(np.tan(angle)), least, gap, share, out)
        else:
            _opened(turned[0], turned[1], float(np.tan(np.pi / 2 - angle)), least, gap, share, turned[2])
    return np.asarray(out | turned[2].T)

"""The smallest box around a shape.

GEOS has one too; on hulls with edges of a millimetre, which buffers leave, it was seen to return boxes of no width.
"""

from __future__ import annotations

import numpy as np
import shapely

from geoseg.arrays import Doubles

__all__ = ["smallest_box"]


def smallest_box(shape: shapely.Geometry) -> tuple[Doubles, Doubles, Doubles]:
    """Corner (2,) and both sides (2,), the longer first, of the box of least area.

    One side of it lies on an edge of the hull (Freeman, Shapira 1975).
    """
    hull = shapely.get_coordinates(shapely.convex_hull(shape))
    steps = np.diff(hull, axis=0)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    steps, lengths = steps[lengths > 1e-9], lengths[lengths > 1e-9]
    if not len(steps):
        return hull[0], np.zeros(2), np.zeros(2)
    u = steps / lengths[:, None]
    v = np.column_stack([-u[:, 1], u[:, 0]])
    along, across = hull @ u.T, hull @ v.T
    wide, high = np.ptp(along, axis=0), np.ptp(across, axis=0)
    k = int(np.argmin(wide * high))
    corner = along[:, k].min() * u[k] + across[:, k].min() * v[k]
    a, b = wide[k] * u[k], high[k] * v[k]
    return (corner, a, b) if wide[k] >= high[k] else (corner + a, b, -a)

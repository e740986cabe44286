"""Labels of a crop: statements laid on its pixels, all else not known.

Nothing is blended: a pixel is of what a statement says whose shape holds its centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine

from geoseg.arrays import Bytes, Mask
from geoseg.classes import NODATA
from geoseg.stages.corrections.statements import Statement

__all__ = ["burn"]


def burn(statements: Iterable[Statement], values: Mapping[str, int], classes: Bytes, place: Affine) -> Bytes:
    """Label values (H, W) of a crop, 255 where nothing is known.

    Args:
        statements: in the order in which they are laid on each other.
        values: the label value of whatever a statement may say; what has none is not known.
        classes: the map's class values (H, W).
        place: of the crop's pixels.

    "Not A" takes nothing away from what is known to be B.
    """
    labels = np.full(classes.shape, NODATA, np.uint8)
    for one in statements:
        if one.said not in values or one.shape.is_empty:
            continue
        inside = _inside(one, classes, place)
        if one.denies:
            inside &= (labels == NODATA) | (labels == values[one.said.removeprefix("not ")])
        labels[inside] = values[one.said]
    return labels


def _inside(one: Statement, classes: Bytes, place: Affine) -> Mask:
    """The pixels that a statement speaks of."""
    burnt = rasterize([(one.shape, 1)], classes.shape, fill=0, transform=place, dtype="uint8")
    inside = np.asarray(burnt, bool)
    if not one.alike:
        return inside
    middle = shapely.centroid(one.shape)
    col, row = (int(np.floor(v)) for v in ~place @ (middle.x, middle.y))
    if not (0 <= row < classes.shape[0] and 0 <= col < classes.shape[1]) or classes[row, col] == NODATA:
        return np.zeros(classes.shape, bool)
    return np.asarray(inside & (classes == classes[row, col]))

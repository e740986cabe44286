"""Class shares blurred before the arg-max: outlines lose the wobble of single pixels, straight edges stay in place.

Only vectors are made of the result; the class raster stays the network's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rasterio.windows import Window
from scipy import ndimage

from geoseg.arrays import Bytes
from geoseg.classes import NODATA

__all__ = ["smooth_classes"]

ROWS, TRUNCATE = 512, 4.0


def smooth_classes(
    shares: Callable[[Window], Bytes], classes: Bytes, window: Window, values: list[int], sigma: float
) -> Bytes:
    """Classes (H, W) with the largest blurred share, computed some rows at a time; how many does not show.

    Args:
        shares: per cent of each class (K, h, w) in any window, 0 where there is no data.
        classes: as the network gave them; no data stays no data.
        window: where `classes` lie.
        values: class value of each of the K.
        sigma: standard deviation of the Gaussian, in pixels.
    """
    out = np.full_like(classes, NODATA)
    halo = int(TRUNCATE * sigma + 0.5) + 1
    lookup = np.array(values, np.uint8)
    for top in range(0, window.height, ROWS):
        rows = min(ROWS, window.height - top)
        around = Window(window.col_off, window.row_off + top - halo, window.width, rows + 2 * halo)
        part = shares(around)
        best, best_of = np.full((rows, window.width), -1, np.float32), np.zeros((rows, window.width), np.uint8)
        for k, share in enumerate(part):
            blurred = ndimage.gaussian_filter(share.astype(np.float32), sigma, mode="constant", truncate=TRUNCATE)
            better = blurred[halo : halo + rows] > best
            np.copyto(best, blurred[halo : halo + rows], where=better)
            best_of[better] = k
        out[top : top + rows] = lookup[best_of]
    out[classes == NODATA] = NODATA
    return out

"""Tree crowns: canopies split where crowns touch.

Watershed (Beucher, Lantuejoul 1979) on the smoothed distance to the canopy's edge, one seed per dome of at least a given height (Soille 2003, h-maxima),
component by component.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy import ndimage

from geoseg.vectorize.trace import trace

__all__ = ["Crown", "CrownOptions", "split_crowns"]


@dataclass(frozen=True)
class CrownOptions:
    """Metres: `pixel` of the grid that splitting works on, `dome` height and `smooth` of the distance that make a seed, smallest crown (m2).

    Crowns wider than `widest` are woods and keep `kind` canopy.
    """

    pixel: float = 0.1
    dome: float = 0.05
    smooth: float = 0.25
    least_area: float = 2.0
    widest: float = 18.0


@dataclass(frozen=True)
class Crown:
    """One crown: polygon, its point, diameter of the circle of the same area, "crown" or "canopy"."""

    polygon: shapely.Polygon
    point: shapely.Point
    diameter: float
    kind: str


def split_crowns(component: shapely.Polygon, options: CrownOptions | None = None) -> list[Crown]:
    """Crowns of one connected canopy, in metres on the ground."""
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    options = options or CrownOptions()
    left, bottom, right, top = component.bounds
    pixel = options.pixel
    shape = int((top - bottom) / pixel) + 5, int((right - left) / pixel) + 5
    place = Affine(pixel, 0, left - 2 * pixel, 0, -pixel, top + 2 * pixel)
    mask = rasterize([component], out_shape=shape, transform=place, dtype="uint8").astype(bool)
    if not mask.any():
        return []
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask) * pixel, options.smooth / pixel).astype(
        np.float64
    )
    seeds, count = ndimage.label(h_maxima(distance, options.dome) * mask)
    if count <= 1:
        return [_crown(component, options)] if component.area >= options.least_area else []
    labels = watershed(-distance, seeds, mask=mask)
    return [_crown(p, options) for p in _polygons(labels, count, place) if p.area >= options.least_area]


def _polygons(labels: npt.NDArray[np.int32], count: int, place: Affine) -> list[shapely.Polygon]:
    """The largest piece of each label, in the coordinates of the place."""
    found = []
    for k, window in enumerate(ndimage.find_objects(labels, count), 1):
        if window is None:
            continue
        regions = trace((labels[window] == k).astype(np.uint8), skip=0)
        polygon = regions.polygons[int(np.argmax(regions.pixels))]
        there = place @ Affine.translation(window[1].start, window[0].start)
        found.append(
            shapely.transform(
                polygon, lambda xy, t=there: np.column_stack([t.a * xy[:, 0] + t.c, t.e * xy[:, 1] + t.f])
            )
        )
    return found


def _crown(polygon: shapely.Polygon, options: CrownOptions) -> Crown:
    diameter = float(2 * np.sqrt(polygon.area / np.pi))
    point = polygon.centroid if polygon.contains(polygon.centroid) else polygon.point_on_surface()
    return Crown(polygon, point, diameter, "canopy" if diameter > options.widest else "crown")

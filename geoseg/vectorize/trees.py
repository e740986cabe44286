"""Tree crowns: canopies split where crowns touch.

Watershed (Beucher, Lantuejoul 1979) on the smoothed distance to the canopy's edge, component by component. Each dome
that stands at least a given height above the saddle to a higher one (its dynamics; Grimaud 1992) is a seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy import ndimage

from geoseg.arrays import Doubles, Ints, Labels, Mask
from geoseg.kernel import kernel
from geoseg.vectorize.labels import root_of
from geoseg.vectorize.trace import trace

__all__ = ["Crown", "CrownOptions", "split_crowns"]


@dataclass(frozen=True)
class CrownOptions:
    """Sizes in metres.

    Attributes:
        pixel: of the grid that crowns are split on.
        dome: least height of a dome that makes a seed.
        smooth: of the Gaussian that the distance is blurred with.
        least_area: smallest crown, in square metres.
        widest: crowns wider than this are woods and keep the kind "canopy".
    """

    pixel: float = 0.1
    dome: float = 0.05
    smooth: float = 0.25
    least_area: float = 2.0
    widest: float = 18.0


@dataclass(frozen=True)
class Crown:
    """One crown: polygon, a point in it, diameter of the circle of the same area, kind ("crown" or "canopy")."""

    polygon: shapely.Polygon
    point: shapely.Point
    diameter: float
    kind: str


def split_crowns(component: shapely.Polygon, options: CrownOptions | None = None) -> list[Crown]:
    """Crowns of one connected canopy, in metres on the ground."""
    from skimage.segmentation import watershed

    options = options or CrownOptions()
    left, bottom, right, top = component.bounds
    pixel = options.pixel
    shape = int((top - bottom) / pixel) + 5, int((right - left) / pixel) + 5
    place = Affine(pixel, 0, left - 2 * pixel, 0, -pixel, top + 2 * pixel)
    mask = rasterize([component], out_shape=shape, transform=place, dtype="uint8").astype(bool)
    if not mask.any():
        return []
    distance = ndimage.distance_transform_edt(mask) * pixel
    distance = ndimage.gaussian_filter(distance, options.smooth / pixel).astype(np.float64)
    seeds, count = domes(distance, mask, options.dome)
    if count <= 1:
        return [_crown(component, options)] if component.area >= options.least_area else []
    labels = watershed(-distance, seeds, mask=mask)
    return [_crown(p, options) for p in _polygons(labels, count, place) if p.area >= options.least_area]


def domes(height: Doubles, mask: Mask, least: float) -> tuple[Labels, int]:
    """Tops that stand at least so much above the saddle to a higher one.

    Args:
        height: (H, W) in metres.
        mask: where there are any.
        least: metres.

    Returns:
        Number (H, W) of the dome at its top, 0 elsewhere; how many there are.
    """
    steps = np.zeros((height.shape[0] + 2, height.shape[1] + 2), np.uint16)  # a rim of zeros: no neighbour is outside
    steps[1:-1, 1:-1] = np.where(mask, np.clip(height * 1000, 0, 65534).astype(np.uint16) + 1, 0)  # millimetres
    order = np.argsort(steps.ravel(), kind="stable")[::-1][: np.count_nonzero(steps)]  # two bytes: a radix sort
    tops = _tops(steps.ravel(), steps.shape[1], order, least * 1000)
    seeds = np.zeros(steps.size, np.int32)
    seeds[np.sort(tops)] = np.arange(1, len(tops) + 1)
    return np.ascontiguousarray(seeds.reshape(steps.shape)[1:-1, 1:-1]), len(tops)


@kernel
def _tops(steps: npt.NDArray[np.uint16], wide: int, order: Ints, least: float) -> Ints:
    """Tops that count, found by flooding from above.

    Where two domes meet the lower one is done: its top counts if it stands high enough above that place.
    """
    parent = np.full(steps.size, -1, np.int64)  # of flooded pixels; a root is its dome's top
    lower = []
    for p in order:
        parent[p] = p
        mine = p
        for q in (p - wide - 1, p - wide, p - wide + 1, p - 1, p + 1, p + wide - 1, p + wide, p + wide + 1):
            if parent[q] < 0:
                continue
            other = root_of(parent, q)
            if other == mine:
                continue
            if steps[other] < steps[mine] or (steps[other] == steps[mine] and other > mine):
                mine, other = other, mine
            if mine != other and np.int64(steps[mine]) - np.int64(steps[p]) >= least:
                lower.append(mine)
            parent[mine] = other
            mine = other
    found = [p for p in order if parent[p] == p]
    return np.array(found + lower, np.int64)


def _polygons(labels: Labels, count: int, place: Affine) -> list[shapely.Polygon]:
    """The largest piece of each label, in the coordinates of the place."""
    found = []
    for k, window in enumerate(ndimage.find_objects(labels, count), 1):
        if window is None:
            continue
        regions = trace((labels[window] == k).astype(np.uint8), skip=0)
        polygon = regions.polygons[int(np.argmax(regions.pixels))]
        there = place @ Affine.translation(window[1].start, window[0].start)
        scale, corner = [there.a, there.e], [there.c, there.f]
        found.append(shapely.transform(polygon, lambda xy, m=scale, c=corner: m * xy + c))
    return found


def _crown(polygon: shapely.Polygon, options: CrownOptions) -> Crown:
    diameter = float(2 * np.sqrt(polygon.area / np.pi))
    point = polygon.centroid if polygon.contains(polygon.centroid) else polygon.point_on_surface()
    return Crown(polygon, point, diameter, "canopy" if diameter > options.widest else "crown")

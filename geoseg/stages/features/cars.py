"""Cars: touching ones split, each as an oriented box.

Small things that a network takes for cars are the most frequent of its false finds. A region is doubtful where the
network itself is not sure of it, or where roofs are most of what lies around it.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from geoseg.arrays import Ints
from geoseg.classes import NODATA, LandClass
from geoseg.colours import darker
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import fill_qml
from geoseg.stages.features.piece import Classified, codes_of
from geoseg.stages.features.table import Rows, common, frame_of, identity, outlines
from geoseg.vectorize.cars import split_cars

__all__ = ["car_layers"]

LEAST_CONFIDENCE = 50.0
"""Mean confidence in per cent below which a region is more likely no car than one."""
STRIP = 1.0
"""Metres around a region that are looked at."""
LARGEST = 60.0
"""Metres along a region from which on nobody looks around it: it would reach beyond the piece."""


def car_layers(found: Classified, classes: list[LandClass]) -> list[Layer]:
    """Vehicles as oriented boxes."""
    roofs = [c.value for c in found.table.classes if c.role == "building"]
    boxes = found.rings.boxes()

    def rows() -> Rows:
        for i, outline in outlines(found, classes):
            around = _around(found, i, boxes[i])
            facts = {
                "surroundings": found.table.by_value(max(around, key=lambda v: around[v])).name if around else None,
                "doubtful": bool(
                    found.rings.weight[i] < LEAST_CONFIDENCE * found.rings.pixels[i]
                    or sum(around.get(v, 0.0) for v in roofs) >= 0.5
                ),
            }
            for k, car in enumerate(split_cars(outline)):
                yield (
                    found.ground.from_own(car.box, found.rings.first[i]),
                    {
                        **common(found, i, k),
                        "length_m": round(car.length, 2),
                        "width_m": round(car.width, 2),
                        "heading_deg": round(car.heading, 1),
                        "kind": car.kind,
                        "component": identity(found.pixel(i)),
                        **facts,
                    },
                )

    own = ("length_m", "width_m", "heading_deg", "kind", "component", "surroundings", "doubtful")
    frame = frame_of(found, rows(), own)
    colour = classes[0].drawn
    text = "vehicles as oriented boxes; component is the connected region that they were split from"
    return [
        Layer("cars", frame, fill_qml(colour, alpha=190, outline=darker(colour), width=0.2, smallest_scale=6000), text)
    ]


def _around(found: Classified, i: int, box: Ints) -> dict[int, float]:
    """Share of each other class in a strip around region `i`, by class value; {} where nothing lies around it.

    `box` (4,): its least and greatest column and row. Pixels without data, and those next to the region, which may be
    mixed, do not count.
    """
    left, top, right, bottom = box.tolist()
    gsd = found.ground.gsd
    if max(right - left, bottom - top) * gsd > LARGEST:
        return {}
    reach = max(2, round(STRIP / gsd))
    rows, cols = slice(max(0, top - reach), bottom + reach), slice(max(0, left - reach), right + reach)
    values = codes_of(found.table).value_of[found.piece.codes[rows, cols]]
    regions, _ = ndimage.label(values == found.rings.values[i])
    row, col = found.rings.first[i].tolist()
    region = regions == regions[row - rows.start, col - cols.start]
    strip = ndimage.binary_dilation(region, iterations=reach) & ~ndimage.binary_dilation(region)
    others = values[strip & (values != NODATA) & (values != found.rings.values[i])]
    found_values, counts = np.unique(others, return_counts=True)
    return dict(zip(found_values.tolist(), (counts / max(1, counts.sum())).tolist(), strict=True))

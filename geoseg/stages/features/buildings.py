"""Buildings with right angles."""

from __future__ import annotations

import numpy as np
import shapely

from geoseg.classes import LandClass
from geoseg.colours import darker
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import fill_qml
from geoseg.stages.features.piece import Classified
from geoseg.stages.features.table import Rows, common, frame_of, identity, outlines
from geoseg.vectorize.coverage import walls_straight_on
from geoseg.vectorize.dice import HOUSE

__all__ = ["building_layers"]


def building_layers(found: Classified, classes: list[LandClass]) -> list[Layer]:
    """Buildings as they lie in the coverage, without the vertices that only their neighbours need."""
    raw = dict(outlines(found, classes))
    cover = found.coverage
    mine = np.isin(found.rings.values[cover.owner], [c.value for c in classes])
    shapes = walls_straight_on(cover.polygons[mine], found.families[cover.owner[mine]])

    def rows() -> Rows:
        for shape, i, k in zip(shapes, cover.owner[mine].tolist(), cover.part[mine].tolist(), strict=True):
            squared = found.squared.get(i)
            own = found.ground.own(shape, found.rings.first[i])
            both = own.intersection(raw[i]).area
            yield (
                shape,
                {
                    **common(found, i, k or None),
                    "orientation_deg": round((90 - squared.orientation) % 90, 1) if squared else None,
                    "vertices": int(shapely.get_num_coordinates(shape)) - len(shapely.get_rings(shape)),
                    "iou_raw": round(both / max(own.area + raw[i].area - both, 1e-9), 3),
                    "status": squared.status if squared else "simplified",
                    "cut": bool(found.states[i] >= HOUSE),
                    "region_id": identity(found.home(i)),
                },
            )

    frame = frame_of(found, rows(), ("orientation_deg", "vertices", "iou_raw", "status", "cut", "region_id", "part_of"))
    style = fill_qml(classes[0].drawn, alpha=90, outline=darker(classes[0].drawn), width=0.2)
    text = (
        "buildings with right angles, as they lie in the land cover; "
        "status says which kept their simplified or round outline; cut ones were one region, named by region_id"
    )
    return [Layer("buildings", frame, style, text)]

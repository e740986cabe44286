"""Cars: touching ones split, each as an oriented box."""

from __future__ import annotations

from geoseg.classes import LandClass
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import fill_qml
from geoseg.stages.features.piece import Classified
from geoseg.stages.features.table import Rows, common, frame_of, identity, outlines
from geoseg.vectorize.cars import split_cars

__all__ = ["car_layers"]


def car_layers(found: Classified, classes: list[LandClass]) -> list[Layer]:
    """Vehicles as oriented boxes."""

    def rows() -> Rows:
        for i, outline in outlines(found, classes):
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
                    },
                )

    frame = frame_of(found, rows(), ("length_m", "width_m", "heading_deg", "kind", "component"))
    text = "vehicles as oriented boxes; component is the connected region that they were split from"
    return [Layer("cars", frame, fill_qml((240, 200, 40), alpha=190, outline=(90, 70, 0), width=0.3), text)]

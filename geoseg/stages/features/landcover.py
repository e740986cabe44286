"""Land cover: the whole coverage, all classes."""

from __future__ import annotations

from geoseg.classes import LandClass
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import classes_qml
from geoseg.stages.features.piece import Classified
from geoseg.stages.features.table import frame_of

__all__ = ["landcover_layers"]


def landcover_layers(found: Classified, classes: list[LandClass]) -> list[Layer]:
    """The whole coverage."""
    cover = found.coverage
    rows = (
        (shape, found.common(int(i), int(k) if k else None))
        for shape, i, k in zip(cover.polygons, cover.owner, cover.part, strict=True)
    )
    frame = frame_of(found, rows, ("part_of",))
    styles = [(c.name, c.colour) for c in classes]
    return [
        Layer("landcover", frame, classes_qml("class", styles, alpha=130), "all classes: neighbours share every edge")
    ]

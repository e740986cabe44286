r"""Land cover, the layer of all classes; and all layers of a piece, as GIS users want them.

clean classes -> outlines -> simplified coverage -> buildings squared inside it -> land cover, buildings
                         \-> roads and centrelines, crowns split, cars boxed
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from geoseg.classes import LandClass
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import classes_qml
from geoseg.layers import GROUPS, LAYERS
from geoseg.stages.features.piece import Classified
from geoseg.stages.features.table import common, frame_of

__all__ = ["feature_layers", "landcover_layers"]


def feature_layers(found: Classified, groups: Collection[str] = GROUPS, *, doubtful: bool = True) -> list[Layer]:
    """Layers for a GeoPackage, those of the classes that the table has.

    `groups`: names of `--layers`; `doubtful`: whether features that are most likely wrong are kept.
    """
    layers: list[Layer] = []
    for name, row in LAYERS.items():
        classes = [c for c in found.table.classes if row.role in ("", c.role)]
        if classes and name in groups:
            layers += row.make(found, classes)
    return layers if doubtful else [_without_doubtful(layer) for layer in layers]


def _without_doubtful(layer: Layer) -> Layer:
    """The layer without the features that its maker doubts."""
    if "doubtful" not in layer.frame:
        return layer
    return replace(layer, frame=layer.frame[~layer.frame["doubtful"]].reset_index(drop=True))


def landcover_layers(found: Classified, classes: list[LandClass]) -> list[Layer]:
    """The whole coverage as one layer."""
    cover = found.coverage
    rows = (
        (shape, common(found, int(i), int(k) if k else None))
        for shape, i, k in zip(cover.polygons, cover.owner, cover.part, strict=True)
    )
    frame = frame_of(found, rows, ("part_of",))
    style = classes_qml("class", [(c.name, c.drawn) for c in classes], alpha=130)
    return [Layer("landcover", frame, style, "all classes: neighbours share every edge")]

r"""Feature layers of a piece of a clean class raster, as GIS users want them.

clean classes -> outlines -> simplified coverage -> buildings squared inside it -> land cover, buildings
                         \-> roads and centrelines, crowns split, cars boxed
"""

from __future__ import annotations

from collections.abc import Collection

from geoseg.gis.geopackage import Layer
from geoseg.layers import GROUPS, LAYERS
from geoseg.stages.features.piece import Classified

__all__ = ["feature_layers"]


def feature_layers(found: Classified, groups: Collection[str] = GROUPS) -> list[Layer]:
    """Layers for a GeoPackage, those of the classes that the table has."""
    layers: list[Layer] = []
    for name, row in LAYERS.items():
        classes = [c for c in found.table.classes if row.role in ("", c.role)]
        if classes and name in groups:
            layers += row.make(found, classes)
    return layers

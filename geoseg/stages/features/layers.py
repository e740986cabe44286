r"""Feature layers of a piece of a clean class raster, as GIS users want them.

clean classes -> outlines -> simplified coverage -> buildings squared inside it -> land cover, buildings
                         \-> roads and centrelines, crowns split, cars boxed
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from geoseg.classes import ClassTable, LandClass
from geoseg.gis.geopackage import Layer
from geoseg.stages.features.buildings import building_layers, car_layers, landcover_layers
from geoseg.stages.features.piece import Classified
from geoseg.stages.features.roads import road_layers
from geoseg.stages.features.trees import tree_layers

__all__ = ["GROUPS", "feature_layers", "makes_any"]

_MAKERS: dict[str, tuple[str, Callable[[Classified, list[LandClass]], list[Layer]]]] = {
    "buildings": ("building", building_layers),
    "roads": ("road", road_layers),
    "trees": ("tree", tree_layers),
    "cars": ("car", car_layers),
}

GROUPS = ("landcover", *_MAKERS)
"""What `--layers` may name; roads come with their centrelines, trees with their points."""


def makes_any(table: ClassTable, groups: Collection[str]) -> bool:
    """Whether a class table has what some of these groups are made of."""
    roles = {c.role for c in table.classes}
    return any(g == "landcover" or _MAKERS[g][0] in roles for g in groups)


def feature_layers(found: Classified, groups: Collection[str] = GROUPS) -> list[Layer]:
    """Layers for a GeoPackage, those of the classes that the table has."""
    layers = landcover_layers(found) if "landcover" in groups else []
    for group, (role, make) in _MAKERS.items():
        classes = [c for c in found.table.classes if c.role == role]
        if classes and group in groups:
            layers += make(found, classes)
    return layers

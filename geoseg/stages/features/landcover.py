r"""Land cover, the layer of all classes; and all layers of a piece, as GIS users want them.

clean classes -> outlines -> simplified coverage -> buildings squared inside it -> land cover, buildings
                         \-> roads and centrelines, crowns split, cars boxed
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import shapely

from geoseg.arrays import Ints, Shapes
from geoseg.classes import LandClass
from geoseg.gis.geopackage import Layer
from geoseg.gis.styles import classes_qml
from geoseg.layers import GROUPS, LAYERS
from geoseg.stages.features.piece import Classified
from geoseg.stages.features.table import Rows, common, frame_of, identity
from geoseg.vectorize.dice import HOUSE

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
    """The whole coverage as one layer; houses of one region are one polygon."""
    frame = frame_of(found, _rows(found), ("part_of",))
    style = classes_qml("class", [(c.name, c.drawn) for c in classes], alpha=130)
    return [Layer("landcover", frame, style, "all classes: neighbours share every edge")]


def _rows(found: Classified) -> Rows:
    """Polygons and attributes of the land cover."""
    cover = found.coverage
    houses = found.states[cover.owner] >= HOUSE
    for shape, i, k in zip(cover.polygons[~houses], cover.owner[~houses], cover.part[~houses], strict=True):
        yield shape, common(found, int(i), int(k) if k else None)
    numbers = np.flatnonzero(houses)
    homes, of = np.unique(found.homes[cover.owner[numbers]], axis=0, return_inverse=True)
    for home in range(len(homes)):
        mine = numbers[of.ravel() == home]
        yield from _region(found, cover.polygons[mine], np.unique(cover.owner[mine]))


def _region(found: Classified, shapes: Shapes, parts: Ints) -> Rows:
    """The polygons of a region whose houses are these parts, the largest first, each with what is known of them all."""
    rings = found.rings
    whole = shapely.get_parts(shapely.coverage_union_all(shapes))
    facts = common(found, int(parts[0])) | {
        "id": identity(found.home(int(parts[0]))),
        "confidence": round(float(rings.weight[parts].sum() / rings.pixels[parts].sum()), 1),
        "touches_edge": bool(rings.touches[parts].any()),
        "sheet": found.ground.sheet_of(*found.home(int(parts[0]))),
    }
    for k, shape in enumerate(sorted(whole, key=lambda s: (-s.area, s.bounds))):
        yield shape, facts | ({"id": f"{facts['id']}_{k}"} if k else {})

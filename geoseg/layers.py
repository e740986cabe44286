"""The feature layers: one row for each thing that is mapped, with all that is known of it.

A new layer is one row in `LAYERS`, one file with its maker, and a test (docs/develop/add-a-layer.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

__all__ = [
    "GROUPS",
    "LAYERS",
    "ROLES",
    "FeatureLayer",
    "Role",
    "Table",
    "columns",
    "makes_any",
    "role_of_name",
    "role_of_table",
    "tables",
    "tables_of",
]


@dataclass(frozen=True)
class Role:
    """What a class stands for on the ground, and what follows for its polygons.

    `min_area`: the smallest polygon that is kept, in square metres; `alpha`: how opaque its exact outlines are drawn
    (0 to 255); `objects`: whether it comes in single things that `evaluate` counts; `words`: parts of class names
    that mean it.
    """

    min_area: float
    alpha: int
    words: tuple[str, ...]
    objects: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the GeoPackage, and how it is shown, in the colour of its class.

    `line`, `fill`: opacity of its outlines and areas on the web page, 0 to 1; `shown`: whether the QGIS project shows
    it at first, `on_map`: whether the page does; `outlined`: whether pictures show its outlines; `level`: its place in
    the pile of layers on the page, 0 at the bottom; `scores`: which scores `evaluate --vectors` gives it.
    """

    name: str
    geometry: str = "Polygon"
    line: float = 1.0
    fill: float = 0.0
    shown: bool = True
    on_map: bool = True
    outlined: bool = False
    level: int = 0
    scores: str = ""


@dataclass(frozen=True)
class FeatureLayer:
    """One name of `--layers`: what it is made of and by whom, its own columns, and its tables.

    `role`: of the classes that it is made of, "" for all classes, and `facts` of it; `maker`: `module:function` of
    (piece, its classes) -> list of `gis.geopackage.Layer`; `columns`: type of each column that is no text.
    """

    role: str
    maker: str
    tables: tuple[Table, ...]
    facts: Role | None = None
    columns: Mapping[str, type] = field(default_factory=dict)

    def make(self, *arguments: Any) -> Any:
        """Call the maker; it is imported only now, so that this table stays light."""
        module, _, name = self.maker.partition(":")
        function: Callable[..., Any] = getattr(import_module(f"geoseg.stages.features.{module}"), name)
        return function(*arguments)


LAYERS: dict[str, FeatureLayer] = {
    "landcover": FeatureLayer(
        role="",
        maker="landcover:landcover_layers",
        tables=(Table("landcover", line=0.6, fill=0.45, shown=False, on_map=False),),
    ),
    "buildings": FeatureLayer(
        role="building",
        facts=Role(min_area=4.0, alpha=150, words=("building", "house"), objects=True),
        maker="buildings:building_layers",
        tables=(
            Table("buildings", fill=0.35, outlined=True, scores="objects", level=5),
        ),
        columns={"orientation_deg": float, "vertices": int, "iou_raw": float, "cut": bool},
    ),
    "roads": FeatureLayer(
        role="road",
        facts=Role(min_area=4.0, alpha=90, words=("road", "imperv")),
        maker="roads:road_layers",
        tables=(
            Table("roads", line=0.9, fill=0.45, shown=False, on_map=False, level=1),
            Table("road_centrelines", "LineString", fill=1.0, scores="lines", level=2),
        ),
        columns={"width_m": float, "length_m": float},
    ),
    "trees": FeatureLayer(
        role="tree",
        facts=Role(min_area=1.0, alpha=110, words=("tree",)),
        maker="trees:tree_layers",
        tables=(
            Table("trees", fill=0.35, shown=False, outlined=True, scores="crowns", level=3),
            Table("tree_points", "Point", fill=1.0, shown=False, on_map=False, level=4),
        ),
        columns={"crown_diameter_m": float},
    ),
    "cars": FeatureLayer(
        role="car",
        facts=Role(min_area=1.5, alpha=200, words=("car",), objects=True),
        maker="cars:car_layers",
        tables=(Table("cars", fill=0.7, outlined=True, scores="objects", level=6),),
        columns={"length_m": float, "width_m": float, "heading_deg": float, "doubtful": bool},
    ),
}  # fmt: skip
"""By the name that `--layers` takes, in the order in which they are made."""

GROUPS = tuple(LAYERS)
"""What `--layers` may name; roads come with their centrelines, trees with their points."""

ROLES: dict[str, Role] = {
    **{layer.role: layer.facts for layer in LAYERS.values() if layer.facts is not None},
    "ground": Role(min_area=2.0, alpha=60, words=("veget",)),
    "other": Role(min_area=1.0, alpha=110, words=()),
}
"""Every role that a class can have; the last two have no layer of their own."""


def tables() -> dict[str, Table]:
    """All tables of a GeoPackage by name."""
    return {t.name: t for layer in LAYERS.values() for t in layer.tables}


def role_of_table(name: str) -> str:
    """The role of the classes that a table is made of, "" for all classes."""
    return next(layer.role for layer in LAYERS.values() if name in {t.name for t in layer.tables})


def columns() -> dict[str, type]:
    """Type of every column of any layer that is no text."""
    return {name: kind for layer in LAYERS.values() for name, kind in layer.columns.items()}


def role_of_name(name: str) -> str:
    """The role that a class of this name most likely has; "other" where no word tells."""
    fits = (role for role, facts in ROLES.items() if any(word in name.lower() for word in facts.words))
    return next(fits, "other")


def tables_of(roles: Iterable[str], groups: Iterable[str]) -> list[str]:
    """Names of the tables that these layers make of classes of these roles."""
    there = set(roles)
    return [t.name for g in groups if not LAYERS[g].role or LAYERS[g].role in there for t in LAYERS[g].tables]


def makes_any(roles: Iterable[str], groups: Iterable[str]) -> bool:
    """Whether classes of these roles are what one of these layers is made of."""
    return bool(tables_of(roles, groups))

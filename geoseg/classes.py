"""The class table: what the values of a class raster mean. It travels with the weights and is never assumed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from geoseg.arrays import Json
from geoseg.errors import ModelError
from geoseg.layers import ROLES
from geoseg.parse import has_controls

__all__ = ["ISPRS", "NODATA", "NOT", "ROLES", "UNLABELLED", "ClassRow", "ClassTable", "Colour", "LandClass"]

Colour = tuple[int, int, int]

NODATA = 255
"""Value of every class and confidence pixel outside the valid data."""


class ClassRow(TypedDict):
    """One class as JSON."""

    value: int
    name: str
    colour: list[int]
    role: str
    map: NotRequired[list[int]]


@dataclass(frozen=True)
class LandClass:
    """One class: its raster value (0 to 254), name, colours (R, G, B) and role (one of `ROLES`).

    `colour` stands for it in label files and wherever data are exchanged; `map_colour` is what people look at, in every
    raster, layer, legend and picture. A class without the second is drawn in the first.
    """

    value: int
    name: str
    colour: Colour
    role: str
    map_colour: Colour | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if has_controls(self.name):
            raise ModelError(repr(self.name), "is the name of a class, expected one without control characters")
        if not 0 <= self.value < NODATA:
            raise ModelError(self.name, f"class value {self.value}, expected 0 to {NODATA - 1}")
        if self.role not in ROLES:
            raise ModelError(self.name, f"role {self.role!r}, expected one of {', '.join(ROLES)}")
        for colour in (self.colour, self.drawn):
            if len(colour) != 3 or not all(0 <= c <= 255 for c in colour):
                raise ModelError(self.name, f"colour {colour}, expected three of 0 to 255")

    @property
    def drawn(self) -> Colour:
        """The colour in which it is drawn."""
        return self.colour if self.map_colour is None else self.map_colour

    @property
    def hex(self) -> str:
        """The colour in which it is drawn, as `#rrggbb`."""
        return "#{:02x}{:02x}{:02x}".format(*self.drawn)

    @property
    def code_hex(self) -> str:
        """The colour of label files, as `#rrggbb`."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)

    @property
    def slug(self) -> str:
        """The name of a layer or column: lower case, underscores."""
        return "_".join("".join(c if c.isalnum() else " " for c in self.name.lower()).split())


@dataclass(frozen=True)
class ClassTable:
    """Classes in the order of a network's output channels."""

    classes: tuple[LandClass, ...]

    def __post_init__(self) -> None:
        values = [c.value for c in self.classes]
        if not values or len(set(values)) != len(values):
            raise ModelError("class table", f"values {values}, expected at least one, all different")
        slugs = [c.slug for c in self.classes]
        if len(set(slugs)) != len(slugs) or not all(slugs):
            names = [c.name for c in self.classes]
            raise ModelError("class table", f"names {names}, expected names that differ in letters or digits")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def values(self) -> tuple[int, ...]:
        """The raster value of each output channel."""
        return tuple(c.value for c in self.classes)

    def by_value(self, value: int) -> LandClass:
        """The class that a raster value stands for.

        Raises:
            KeyError: no class has it.
        """
        return {c.value: c for c in self.classes}[value]

    def to_json(self) -> list[ClassRow]:
        """The classes as JSON."""
        return [_row_of(c) for c in self.classes]

    @classmethod
    def from_json(cls, rows: Iterable[Json]) -> ClassTable:
        """Inverse of `to_json`.

        Raises:
            ModelError: a class lacks a field, or a field is wrong; says which.
        """
        try:
            return cls(tuple(_class_of(r) for r in rows))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError("class table", f"{error!r}", "each class has value, name, colour, role") from error


def _row_of(c: LandClass) -> ClassRow:
    """A class as JSON."""
    row = ClassRow(value=c.value, name=c.name, colour=list(c.colour), role=c.role)
    if c.map_colour is not None:
        row["map"] = list(c.map_colour)
    return row


def _class_of(row: Json) -> LandClass:
    """A class out of a row that a file may give as anything.

    Raises:
        KeyError, TypeError: a field is missing, or of another type.
    """
    value, name, colour = row["value"], row["name"], tuple(row["colour"])
    if not isinstance(name, str):
        raise TypeError(f"name {name!r} is no text")
    drawn = tuple(row["map"]) if "map" in row else None
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in (value, *colour, *(drawn or ()))):
        raise TypeError(f"{name}: value {value!r} or colour {colour!r} is no whole number")
    return LandClass(value, name, colour, str(row["role"]), drawn)


ISPRS = ClassTable(
    (
        LandClass(0, "impervious surface", (255, 255, 255), "road", (226, 220, 210)),
        LandClass(1, "building", (0, 0, 255), "building", (190, 80, 54)),
        LandClass(2, "low vegetation", (0, 255, 255), "ground", (158, 190, 90)),
        LandClass(3, "tree", (0, 255, 0), "tree", (28, 88, 72)),
        LandClass(4, "car", (255, 255, 0), "car", (62, 28, 108)),
        LandClass(5, "clutter", (255, 0, 0), "other", (172, 130, 180)),
    )
)
"""The six classes of the ISPRS Potsdam and Vaihingen benchmarks, in their order and colours.

The colours of maps differ in lightness, for grey prints, and for eyes that do not tell red from green.
"""


NOT = 128
"""A label `NOT + k` says that the pixel is of any class but k."""

UNLABELLED = 254
"""The label of pixels of a photo that nobody labelled: there are data, and a teacher may say of which class."""

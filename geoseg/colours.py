"""Shades of the colours of classes, so that a thing has one colour in every layer, legend, picture and page."""

from __future__ import annotations

from geoseg.classes import ClassTable, Colour

__all__ = ["REVIEW_REASONS", "css", "darker", "lighter", "of_role"]


REVIEW_REASONS: dict[str, Colour] = {
    "low confidence": (214, 40, 40),
    "odd shape": (240, 140, 20),
    "doubtful car": (150, 60, 170),
    "random place": (30, 110, 200),
}
"""Why a place of the table `review` is worth a look, in the styles of maps and pages."""


def darker(colour: Colour, share: float = 0.45) -> Colour:
    """The colour with a share of black in it: outlines."""
    red, green, blue = (round(v * (1 - share)) for v in colour)
    return red, green, blue


def lighter(colour: Colour, share: float = 0.3) -> Colour:
    """The colour with a share of white in it: a kind of the same thing."""
    red, green, blue = (round(v + (255 - v) * share) for v in colour)
    return red, green, blue


def css(colour: Colour, opacity: float) -> str:
    """The colour for a web page; `opacity` 0 to 1."""
    return "rgba({},{},{},{:g})".format(*colour, opacity)


def of_role(table: ClassTable, role: str) -> Colour:
    """The colour of the first class of a role; grey where there is none."""
    return next((c.drawn for c in table.classes if c.role == role), (120, 120, 120))

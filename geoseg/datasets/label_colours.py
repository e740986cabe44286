"""Which legend a label raster follows, told by its colours.

sample of its pixels -> shares of colours -> the class table's own | ISPRS' by thresholds | refused
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Doubles, Ints
from geoseg.classes import ISPRS, ClassTable
from geoseg.datasets.label_raster import LabelRaster, label_pixels
from geoseg.datasets.legend import NEAR, Legend, channels, colour_legend, cube_legend, table_legend
from geoseg.errors import SheetError

__all__ = ["told_legend"]

ENOUGH = 0.95
"""Share of the sample that must be near the colours of a legend: labels stored with loss have soft borders."""

BLACK = 0x000000
"""The colour of pixels without a label."""


def told_legend(labels: LabelRaster, table: ClassTable) -> Legend:
    """The legend of a label raster: values of one band, else the colours that it holds.

    Raises:
        SheetError: its colours are neither the table's own nor ISPRS'; lists them with their shares.
    """
    if labels.bands < 3:
        return table_legend(table)
    colours, shares = _colours(labels)
    own = [(r << 16) | (g << 8) | b for r, g, b in (c.colour for c in table.classes)]
    known = {*own, BLACK}
    isprs = [(r << 16) | (g << 8) | b for r, g, b in (c.colour for c in ISPRS.classes)]
    if set(own) != set(isprs) and (set(colours.tolist()) <= known or _near(colours, shares, own) >= ENOUGH):
        return colour_legend(table)
    if _near(colours, shares, isprs) >= ENOUGH and {c.name for c in table.classes} & {c.name for c in ISPRS.classes}:
        return cube_legend(table)
    order = np.argsort(-shares)[:6]
    found = ", ".join(f"#{int(colours[k]):06x} {100 * shares[k]:.3g} %" for k in order)
    classes = ", ".join(c.code_hex for c in table.classes)
    raise SheetError(
        labels.path,
        f"holds the colours {found}; neither those of the classes ({classes}) nor ISPRS'",
        "say what they mean: --class '#3c1098=building', or `classes` in a config",
    )


def _colours(labels: LabelRaster) -> tuple[Ints, Doubles]:
    """Colours 0xRRGGBB of a sample, and their shares of the pixels that say anything."""
    counts: dict[int, int] = {}
    for window in _sample_windows(labels.ground.shape):
        pixels, known = label_pixels(labels, window, colours=True)
        r, g, b = (p[known].astype(np.int64) for p in pixels[:3])
        for colour, count in zip(*np.unique((r << 16) | (g << 8) | b, return_counts=True), strict=True):
            counts[int(colour)] = counts.get(int(colour), 0) + int(count)
    found = np.array(list(counts), np.int64)
    shares = np.array(list(counts.values()), np.float64)
    return found, shares / max(1.0, float(shares.sum()))


def _near(colours: Ints, shares: Doubles, legend: list[int]) -> float:
    """Share of pixels within `NEAR` grey levels of a colour of a legend, or of black."""
    known = np.array([*legend, BLACK], np.int64)
    far = np.abs(channels(colours)[:, None] - channels(known)[None]).max(2).min(1)
    return float(shares[far <= NEAR].sum())


def _sample_windows(shape: tuple[int, int]) -> Iterator[Window]:
    """Windows spread over a raster: all of it where it is small, else 8 x 8 squares of 128 pixels."""
    high, wide = shape
    for top, rows in _spread(high):
        for left, columns in _spread(wide):
            yield Window(left, top, columns, rows)


def _spread(length: int, count: int = 8, side: int = 128) -> list[tuple[int, int]]:
    if length <= count * side:
        return [(0, length)]
    return [(int(s), side) for s in np.linspace(0, length - side, count)]

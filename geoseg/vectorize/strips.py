"""Long strips of paved ground: they are the carriageway; yards and parking lots hold none.

impervious mask (cars and crowns on it bridged, at about 0.25 m) -> long strips in any direction: openings by line
segments of many directions (Soille, Talbot 2001), with gaps where something hangs over the ground -> places wider
than a street are yards
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from geoseg.arrays import Doubles, Labels, Mask
from geoseg.kernel import kernel
from geoseg.vectorize.labels import SIDES, Sides

__all__ = ["LineRule", "RoadOptions", "carriageway", "on_long_lines"]


@dataclass(frozen=True)
class RoadOptions:
    """Sizes of streets, in metres; areas in square metres.

    Attributes:
        narrowest: narrowest street.
        widest: widest street.
        straight: a street holds straight strips of this length.
        gap: longest stretch of a strip under crowns or cars.
        share: least part of a strip that is not covered.
        elongation: a street is so many times longer than wide.
        spur: dead ends go that reach less than this out of the street that they belong to.
        smooth: how far lines may move.
        least_area: smallest street.
        island: largest tree, kiosk or refuge that a street flows around without parting.
        junction: largest place that may be wider than a street without being a yard.
    """

    narrowest: float = 4.0
    widest: float = 18.0
    straight: float = 20.0
    gap: float = 10.0
    share: float = 0.6
    elongation: float = 2.5
    spur: float = 15.0
    smooth: float = 0.3
    least_area: float = 60.0
    island: float = 40.0
    junction: float = 1000.0


def depth_of(mask: Mask) -> Doubles:
    """Distance (H, W) of each pixel to the edge of a mask, in pixels; the mask goes on beyond its frame."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1])


def _grow(mask: Mask, radius: float) -> Mask:
    """The mask and all that is no farther from it than a radius in pixels."""
    return np.asarray(ndimage.distance_transform_edt(~mask) <= radius) if mask.any() else mask


def carriageway(
    impervious: Mask, covering: Mask, pixel: float, options: RoadOptions | None = None, goes_on: Sides = SIDES
) -> Mask:
    """Street pixels (H, W): long and no wider than a street; yards, car parks and thin strips are left out.

    Args:
        impervious: paved ground.
        covering: cars, and crowns that hang over the street: bridged where street lies around them.
        pixel: metres.
        options: see `RoadOptions`.
        goes_on: sides beyond which there is more: what reaches them is long and large.
    """
    options = options or RoadOptions()
    reach, widest = options.narrowest / 2 / pixel, options.widest / 2 / pixel
    passable = _without_islands(impervious | covering, options.island / pixel**2)
    solid = impervious | (passable & ~covering)
    rule = LineRule(options.straight / pixel, options.gap / pixel, options.share)
    lines = on_long_lines(depth_of(passable) > reach, solid, rule)
    wide_enough = _grow(lines, reach) & passable
    core = depth_of(wide_enough) > widest
    yard = _large(_grow(core, widest) & wide_enough, options.junction / pixel**2, goes_on)
    return _long(_large(wide_enough & ~yard, options.least_area / pixel**2, goes_on), options.elongation, goes_on)


def _at_sides(labels: Labels, sides: Sides) -> Labels:
    """Labels at some sides."""
    ends = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    return np.unique(np.concatenate([labels[:0, 0], *(e for e, side in zip(ends, sides, strict=True) if side)]))


def _long(mask: Mask, elongation: float, goes_on: Sides = SIDES) -> Mask:
    """Connected parts that are so many times longer than wide.

    A strip of length l and width w has the area l w and is w / 2 deep.
    """
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    deepest = ndimage.maximum(depth_of(mask), labels, np.arange(count + 1))
    area = np.bincount(labels.ravel(), minlength=count + 1)
    keep = area >= elongation * (2 * deepest) ** 2
    keep[_at_sides(labels, goes_on)] = True
    keep[0] = False
    return np.asarray(keep[labels])


def _large(mask: Mask, least: float, goes_on: Sides = SIDES) -> Mask:
    """Connected parts of at least so many pixels."""
    labels, count = ndimage.label(mask)
    keep = np.bincount(labels.ravel(), minlength=count + 1) >= least
    keep[_at_sides(labels, goes_on)] = True
    keep[0] = False
    return np.asarray(keep[labels])


def _without_islands(mask: Mask, largest: float) -> Mask:
    """The mask with its holes of at most so many pixels filled."""
    labels, count = ndimage.label(~mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    fill = sizes <= largest
    fill[0] = False
    fill[_at_sides(labels, (True, True, True, True))] = False  # open at the frame: no hole
    return np.asarray(mask | fill[labels])


class LineRule(NamedTuple):
    """Lines that count as long, in pixels along the line.

    `least`: shortest one, half of it where the frame cuts the line; `gap`: longest stretch that is passable only;
    `share`: least part of a line that is solid, 0 to 1.
    """

    least: float
    gap: float
    share: float


@kernel
def _mark_long_runs(passable: Mask, solid: Mask, slope: float, rule: LineRule, marks: Mask) -> None:
    """Mark the long runs on all lines y = y0 + slope x, |slope| <= 1; every pixel lies on exactly one of them."""
    high, wide = passable.shape
    lean = int(np.ceil(abs(slope) * wide))
    for y0 in range(-lean, high + lean):
        _mark_line(passable, solid, (y0, slope), rule, marks)


@kernel
def _mark_line(passable: Mask, solid: Mask, line: tuple[int, float], rule: LineRule, marks: Mask) -> None:
    """Mark the long runs on one line; they begin and end on solid pixels and may cross passable ones."""
    high, wide = passable.shape
    y0, slope = line
    unit = np.hypot(1.0, slope)
    start, last, count, whole = -1, -1, 0, 0.0
    for x in range(wide + 1):
        y = y0 + int(np.rint(slope * x))
        inside = x < wide and 0 <= y < high
        here = inside and passable[y, x]
        if here and solid[y, x]:
            if start < 0:
                start, count = x, 0
                before = y0 + int(np.rint(slope * (x - 1)))
                whole = (
                    rule.least if x > 0 and 0 <= before < high else 0.5 * rule.least
                )  # cut by the frame: half will do
            last = x
            count += 1
        elif start >= 0 and (not here or (x - last) * unit > rule.gap):
            if not inside and last == x - 1:
                whole = 0.5 * rule.least
            long = (last - start + 1) * unit
            if long >= whole and count * unit >= rule.share * long:
                _mark_run(marks, line, start, last)
            start = -1


@kernel
def _mark_run(marks: Mask, line: tuple[int, float], start: int, last: int) -> None:
    """Mark the pixels of a line from one column to another."""
    y0, slope = line
    for x in range(start, last + 1):
        marks[y0 + int(np.rint(slope * x)), x] = True


def on_long_lines(passable: Mask, solid: Mask, rule: LineRule, directions: int = 32) -> Mask:
    """Pixels (H, W) on a straight line that is long enough, in any of some directions.

    Args:
        passable: where a line may run.
        solid: where it must begin and end.
        rule: how long a line must be, and how much of it solid.
        directions: how many, evenly over half a turn.
    """
    rule = LineRule(float(rule.least), float(rule.gap), float(rule.share))
    marks = np.zeros(passable.shape, np.bool_)
    solid = solid & passable
    turned = np.ascontiguousarray(passable.T), np.ascontiguousarray(solid.T), np.zeros(marks.T.shape, np.bool_)
    for k in range(directions):
        angle = np.pi * (k / directions - 0.25)
        if k < directions // 2:
            _mark_long_runs(passable, solid, float(np.tan(angle)), rule, marks)
        else:
            _mark_long_runs(turned[0], turned[1], float(np.tan(np.pi / 2 - angle)), rule, turned[2])
    return np.asarray(marks | turned[2].T)

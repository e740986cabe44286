"""Cars: touching ones split by a size prior into oriented boxes.

A component is turned to its own smallest box. Where the box is more than one car wide or long it is cut into
car-sized cells. On parked rows that is far better than watershed: cells follow the prior, a distance transform
follows the noise. A component's id stays on its cars, so a split can be undone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geoseg.arrays import Doubles
from geoseg.geometry.boxes import smallest_box

__all__ = ["Car", "CarOptions", "split_cars"]


@dataclass(frozen=True)
class CarOptions:
    """Sizes in metres.

    Attributes:
        length: of a car.
        width: of a car.
        pitch_side: from one car to the next where they are parked side by side.
        pitch_end: the same bumper to bumper.
        long_from: length from which on a vehicle is a long one.
        least_area: smallest vehicle, in square metres.
        opening: limbs thinner than twice this are not part of a vehicle.
    """

    length: float = 4.5
    width: float = 1.8
    pitch_side: float = 2.05
    pitch_end: float = 4.9
    long_from: float = 7.0
    least_area: float = 2.5
    opening: float = 0.1


@dataclass(frozen=True)
class Car:
    """One vehicle: box, length and width in metres, heading (0 to 180 degrees clockwise from north), kind."""

    box: shapely.Polygon
    length: float
    width: float
    heading: float
    kind: str


def split_cars(component: shapely.Polygon, options: CarOptions | None = None) -> list[Car]:
    """Vehicles of one connected component, in metres on the ground (x east, y north)."""
    options = options or CarOptions()
    opened = component.buffer(-options.opening, join_style="mitre").buffer(options.opening, join_style="mitre")
    cars = []
    for part in shapely.get_parts(opened):
        if part.geom_type == "Polygon" and part.area >= options.least_area:
            cars += [_car(p, options) for p in _cells(part, options)]
    return cars


def _counts(sides: tuple[float, float], area: float, options: CarOptions) -> tuple[int, int]:
    """Cells along and across the longer side, by the way of parking that explains the box best."""
    best, fewest = (1, 1), np.inf
    for along, across in ((options.pitch_side, options.pitch_end), (options.pitch_end, options.pitch_side)):
        n, m = max(1, round(sides[0] / along)), max(1, round(sides[1] / across))
        size = (options.width, options.length) if along == options.pitch_side else (options.length, options.width)
        first, second = sides[0] / (n - 1 + size[0] / along) / along, sides[1] / (m - 1 + size[1] / across) / across
        misfit = abs(np.log(first)) + abs(np.log(second))
        if misfit < fewest:
            best, fewest = (n, m), misfit
    return (1, 1) if area < 1.45 * options.length * options.width else best


def _cells(part: shapely.Polygon, options: CarOptions) -> list[shapely.Polygon]:
    """Pieces of a part of a component, of about one vehicle each."""
    corner, a, b = _trim(part, *smallest_box(part))
    sides = float(np.hypot(*a)), float(np.hypot(*b))
    if min(sides) < 1e-6:
        return []
    if sides[0] < 1.5 * options.length and sides[1] < 1.4 * options.width:
        return [part]
    wide = 1.2 * options.width < sides[1] < 1.6 * options.width
    if wide and sides[0] < 3.5 * options.length and part.area / (sides[0] * sides[1]) > 0.85:
        return [part]  # one lorry or bus: wider than a car, and without the notches between bumpers
    if part.area / (sides[0] * sides[1]) < 0.72 and (pieces := _at_necks(part, options)):
        return [cell for piece in pieces for cell in _cells(piece, options)]
    n, m = _counts(sides, part.area, options)
    if n * m == 1:
        return [part]
    cells = []
    for i in range(n):
        for j in range(m):
            o = corner + a * i / n + b * j / m
            cell = shapely.Polygon([o, o + a / n, o + a / n + b / m, o + b / m])
            inside = [p for p in shapely.get_parts(cell.intersection(part)) if p.geom_type == "Polygon"]
            if inside and (largest := max(inside, key=lambda p: p.area)).area >= options.least_area:
                cells.append(largest)
    return cells or [part]


def _trim(
    part: shapely.Polygon, corner: Doubles, a: Doubles, b: Doubles, share: float = 0.02
) -> tuple[Doubles, Doubles, Doubles]:
    """The box without bumps that hold less than a share of the area at a side: one bump would add a row of cars."""
    if min(np.hypot(*a), np.hypot(*b)) < 1e-6:
        return corner, a, b
    n, m = (int(np.ceil(np.hypot(*side) / 0.1)) for side in (a, b))
    u, v = (x.ravel() for x in np.meshgrid((np.arange(n) + 0.5) / n, (np.arange(m) + 0.5) / m))
    places = corner + u[:, None] * a + v[:, None] * b
    inside = shapely.contains_xy(part, places[:, 0], places[:, 1])
    if not inside.any():
        return corner, a, b
    bounds = []
    for w in (u[inside], v[inside]):
        low, high = np.quantile(w, (share, 1 - share))
        spare = (high - low) * share / (1 - 2 * share)
        bounds.append((max(low - spare, 0.0), min(high + spare, 1.0)))
    (u0, u1), (v0, v1) = bounds
    return corner + u0 * a + v0 * b, (u1 - u0) * a, (v1 - v0) * b


def _at_necks(part: shapely.Polygon, options: CarOptions) -> list[shapely.Polygon]:
    """Pieces of a component that does not fill its box (cars that touch at a corner).

    It is cut where shrinking parts it; [] where it stays whole.
    """
    for step in range(1, 8):
        shrink = 0.1 * step
        seeds = [p for p in shapely.get_parts(part.buffer(-shrink)) if p.area > 0.2]
        if len(seeds) > 1:
            grown = [s.buffer(shrink, join_style="mitre").intersection(part) for s in seeds]
            pieces = [max(shapely.get_parts(g), key=lambda p: p.area) for g in grown if not g.is_empty]
            return [p for p in pieces if p.geom_type == "Polygon" and p.area >= options.least_area]
    return []


def _car(part: shapely.Polygon, options: CarOptions) -> Car:
    """The vehicle that fills a piece."""
    corner, a, b = smallest_box(part)
    long, short = float(np.hypot(*a)), float(np.hypot(*b))
    # The smallest box holds every wobble of the outline: its sides move in until it is hardly larger than the vehicle.
    rest = max(0.0, (long - short) ** 2 + 4 * min(part.area * 1.03, long * short))
    move = (long + short - rest**0.5) / 2
    length, width = long - move, short - move
    centre, u, v = corner + (a + b) / 2, a / long * length / 2, b / short * width / 2
    box = shapely.Polygon([centre - u - v, centre + u - v, centre + u + v, centre - u + v])
    heading = float(np.degrees(np.arctan2(a[0], a[1])) % 180)
    kind = "long vehicle" if length >= options.long_from else "car"
    return Car(box, length, width, heading, kind)

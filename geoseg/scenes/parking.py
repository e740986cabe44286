"""The places of cars: in marked car parks, along the kerb, and a few on the road."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from geoseg.scenes.objects import Block, Car
from geoseg.scenes.outlines import outline
from geoseg.scenes.site import Lot, Occupancy, Site

__all__ = ["draw_car_parks", "draw_kerb_cars"]


def draw_car_parks(site: Site) -> tuple[list[Block], list[Car]]:
    """Marked car parks, about two thirds full."""
    rng = site.rng
    grounds: list[Block] = []
    cars: list[Car] = []
    for _ in range(int(rng.poisson(site.area / 1e4 * site.quarter.car_parks))):
        x, y = site.draw_point()
        angle = site.draw_angle()
        lot = Block("car park", x, y, angle, float(rng.uniform(14, 36)), float(rng.choice([11.0, 16.5])), 1.0)
        shape = outline(lot, site.frame)
        if site.is_free(shape):
            site.taken.add(shape)
            grounds.append(lot)
            cars += _fill(site, lot)
    return grounds, cars


def _fill(site: Site, lot: Block) -> list[Car]:
    """Cars in two rows of a car park."""
    rng, angle, cars = site.rng, lot.angle, []
    for along in np.arange(-lot.length / 2 + 1.3, lot.length / 2 - 1.2, 2.5):
        for row in (-1, 1):
            if rng.uniform() < 0.6:
                a, b = float(along) + float(rng.normal(0, 0.1)), row * (lot.width / 2 - 2.6)
                x = lot.x + a * math.cos(angle) - b * math.sin(angle)
                y = lot.y + a * math.sin(angle) + b * math.cos(angle)
                cars.append(_draw_car(rng, (x, y), angle + row * math.pi / 2, 0.0))
    return cars


def _draw_car(rng: np.random.Generator, place: tuple[float, float], heading: float, long_share: float) -> Car:
    if rng.uniform() < long_share:
        size = float(rng.uniform(5.3, 9)), float(rng.uniform(2.0, 2.5))
    else:
        size = float(rng.uniform(3.7, 4.9)), float(rng.uniform(1.65, 1.92))
    turn = float(rng.normal(0, 0.03)) + (math.pi if rng.uniform() < 0.5 else 0.0)
    return Car(*place, heading + turn, *size, int(rng.integers(1 << 31)))


def draw_kerb_cars(site: Site, lots: Iterable[Lot], parked: Iterable[Car]) -> list[Car]:
    """Cars along the kerb, and a few driving; none where another one, such as those already `parked`, stands."""
    taken, cars = Occupancy(), []
    for car in parked:
        taken.add(outline(car, site.frame))
    for lot in lots:
        for car in _along_kerb(site, lot):
            shape = outline(car, site.frame)
            if site.contains(car.x, car.y, 8) and not taken.hits(shape):
                taken.add(shape)
                cars.append(car)
    return cars


def _along_kerb(site: Site, lot: Lot) -> Iterable[Car]:
    """Cars in front of one lot."""
    rng, street = site.rng, lot.street
    if street.width < 4.5:  # no room beside the traffic
        return
    used = rng.uniform() < 0.5
    for along in np.arange(lot.at, lot.at + lot.front - 4.8, float(rng.uniform(5.4, 7.5))):
        driving = rng.uniform() < 0.06
        if not driving and not (used and rng.uniform() < 0.5):
            continue
        across = lot.side * (street.width / 4 if driving else street.width / 2 - 1.05)
        u, v = street.uv(float(along) + 2.4, across)
        heading = site.frame.heading(u) + (0 if street.axis == "u" else math.pi / 2)
        yield _draw_car(rng, site.frame.xy(u, v), heading, 0.08)

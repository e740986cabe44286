"""Seed to layout: streets first, then lots with buildings, then all that stands around them.

Every number comes from one seeded generator and is in metres, so a layout does not depend on the pixel size.
The order of the draws is part of the contract: the same seed gives the same scene in every version.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import shapely

from geoseg.scenes.houses import draw_annexes, draw_lots
from geoseg.scenes.objects import Block, Clutter, Frame, Layout, Street, Style, Tree
from geoseg.scenes.outlines import outline
from geoseg.scenes.parking import draw_car_parks, draw_kerb_cars
from geoseg.scenes.quarters import random_style
from geoseg.scenes.site import Lot, Site

__all__ = ["Layout", "make_layout", "random_style"]


CLUTTER = {"box": 0.34, "fence": 0.3, "heap": 0.16, "bin": 0.2}
SOUTHERN_CLUTTER = {
    "box": 0.06,
    "fence": 0.06,
    "heap": 0.24,
    "bin": 0.14,
    "wall": 0.2,
    "stack": 0.18,
    "tarpaulin": 0.12,
}
"""Chances of the kinds of clutter."""


def make_layout(seed: int, width: float, height: float, style: Style | None = None) -> Layout:
    """Lay out a scene of width x height metres; objects reach beyond the edge, as in a real sheet."""
    rng = np.random.default_rng(seed)
    drawn = random_style(rng)
    frame = Frame(
        angle=float(rng.uniform(0, math.pi)),
        bend=float(rng.uniform(0, 4)),
        wavelength=float(rng.uniform(30, 70)),
        phase=float(rng.uniform(0, 6.28)),
        x0=width / 2,
        y0=height / 2,
    )
    site = Site(rng, style or drawn, frame, width, height)
    streets = _draw_streets(site)
    settled = draw_lots(site, streets)
    parks, parked = draw_car_parks(site)
    annexes = draw_annexes(site)
    patches = _draw_ground_patches(site)
    clutter = _draw_clutter(site)
    along = draw_kerb_cars(site, settled.lots, parked)
    trees = _draw_trees(site, settled.lots)
    return Layout(
        width,
        height,
        site.style,
        frame,
        streets=tuple(streets),
        grounds=(*settled.grounds, *parks, *patches),
        buildings=(*settled.buildings, *annexes),
        clutter=tuple(clutter),
        cars=(*parked, *along),
        trees=tuple(trees),
    )


def _draw_streets(site: Site) -> list[Street]:
    """Streets of both directions of the grid; the cross streets lie further apart."""
    rng, (low, high) = site.rng, site.quarter.gap
    extent, streets = site.frame.reach + 20, []
    for axis, scale in (("u", 1.0), ("v", 1.7)):
        position = -extent + float(rng.uniform(0, high))
        while position < extent:
            wide = float(rng.uniform(*site.quarter.street))
            street = Street(
                axis=axis,
                position=position,
                width=wide,
                verge=float(rng.uniform(0.8, 2.2)) if rng.uniform() < 0.4 else 0.0,
                pavement=float(rng.uniform(*site.quarter.pavement)),
                dashes=bool(wide > 6 and rng.uniform() < 0.6),
                zebra=float(rng.uniform(-40, 40)) if rng.uniform() < 0.4 else math.inf,
            )
            if site.quarter.earth:  # no draw, and so no change, where nothing is unpaved
                street = _as_in_the_south(site, street)
            streets.append(street)
            site.roads.add(outline(street, site.frame))
            position += float(rng.uniform(low, high)) * scale
    return streets


def _as_in_the_south(site: Site, street: Street) -> Street:
    """The street unpaved, or without marks and with a pavement only where there is room."""
    if site.rng.uniform() < site.quarter.earth:
        return replace(street, earth=True, verge=0.0, pavement=0.0, dashes=False, zebra=math.inf)
    pavement = street.pavement if street.pavement > 0.4 else 0.0
    marked = street.width > 6
    return replace(street, verge=0.0, pavement=pavement, zebra=street.zebra if marked else math.inf)


def _draw_ground_patches(site: Site) -> list[Block]:
    """Bare soil, gravel and pools, the larger surfaces of the clutter class; fields, and trodden places."""
    rng, quarter, patches = site.rng, site.quarter, []
    rates = (
        ("soil", quarter.soil, (6, 17)),
        ("pool", quarter.pools, (3, 9)),
        ("field", quarter.fields, (10, 45)),
        ("earth", quarter.earth_ground, (5, 30)),
    )
    for kind, rate, sizes in (r for r in rates if r[1]):
        for _ in range(int(rng.poisson(site.area / 1e4 * rate))):
            long = float(rng.uniform(*sizes))
            x, y = site.draw_point()
            angle = site.draw_angle()
            deep = long * float(rng.uniform(0.45, 0.9))
            patches.append(Block(kind, x, y, angle, long, deep, float(rng.uniform(0.75, 1.3))))
    return patches


def _draw_clutter(site: Site) -> list[Clutter]:
    """Containers, fences, heaps and bins on free ground."""
    rng, clutter = site.rng, []
    shares = SOUTHERN_CLUTTER if site.quarter.earth else CLUTTER
    for _ in range(int(site.area * site.quarter.clutter)):
        kind = str(rng.choice(list(shares), p=list(shares.values())))
        size = rng.uniform(size=2)
        length, width, height = {
            "box": (2.5 + 4 * size[0], 2 + 0.6 * size[1], 2.5),
            "fence": (6 + 16 * size[0], 0.22, 1.5),
            "heap": (2 + 4 * size[0], 2 + 3 * size[1], 1.2),
            "bin": (0.7 + 0.9 * size[0], 0.6 + 0.4 * size[1], 1.2),
            "wall": (5 + 18 * size[0], 0.25 + 0.15 * size[1], 1.8),
            "stack": (1 + 3 * size[0], 1 + 1.5 * size[1], 1.0),
            "tarpaulin": (2 + 4 * size[0], 2 + 3 * size[1], 0.4),
        }[kind]
        x, y = site.draw_point()
        angle = site.draw_angle() + float(rng.normal(0, 0.08))
        thing = Clutter(kind, x, y, angle, float(length), float(width), height, int(rng.integers(1 << 31)))
        shape = outline(thing, site.frame)
        if site.is_free(shape):
            site.taken.add(shape)
            clutter.append(thing)
    return clutter


def _draw_trees(site: Site, lots: Iterable[Lot]) -> list[Tree]:
    """Street trees, garden trees and hedgerows; crowns may reach over anything, trunks stand on open ground."""
    spots = [*_street_trees(site, lots), *_garden_trees(site)]
    trees = []
    for i in site.rng.permutation(len(spots)):
        x, y, radius = spots[i]
        trunk = shapely.Point(x, y).buffer(0.4, quad_segs=2)
        if site.contains(x, y, 8) and site.is_free(trunk):
            trees.append(_draw_tree(site.rng, x, y, radius))
    return trees


def _street_trees(site: Site, lots: Iterable[Lot]) -> Iterable[tuple[float, float, float]]:
    """(x, y, radius) of trees on the pavements."""
    for lot in lots:
        if lot.street.pavement and site.rng.uniform() < 0.45:
            street = lot.street
            across = lot.side * (street.width / 2 + street.verge + street.pavement * 0.7)
            x, y = site.frame.xy(*street.uv(lot.at + lot.front / 2, across))
            yield x, y, float(site.rng.uniform(1.8, 4.6))


def _garden_trees(site: Site) -> Iterable[tuple[float, float, float]]:
    """(x, y, radius) of single trees, and of rows and groups."""
    rng = site.rng
    for _ in range(int(site.area * site.quarter.trees)):
        x, y = site.draw_point(beyond=5)
        radius = float(np.clip(2.2 * math.exp(float(rng.normal(0, 0.45))), 0.8, 7.0))
        count = int(rng.integers(3, 9)) if rng.uniform() < 0.12 else 1  # a row or a group
        along = site.draw_angle()
        for k in range(count):
            step = k * radius * 1.5
            place = x + step * math.cos(along), y + step * math.sin(along)
            yield *place, radius * float(rng.uniform(0.85, 1.15))


def _draw_tree(rng: np.random.Generator, x: float, y: float, radius: float) -> Tree:
    waves = tuple(
        (f, float(rng.uniform(0.2, 1.0)) * a, float(rng.uniform(0, 6.28)))
        for f, a in ((2, 0.11), (3, 0.11), (5, 0.09), (8, 0.07), (13, 0.06), (21, 0.05))
    )
    return Tree(x, y, radius, waves, int(rng.integers(1 << 31)))

"""The places of buildings: lots along the streets with drives and yards, then annexes on the ground that is left."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from geoseg.scenes.objects import Block, Building, Street
from geoseg.scenes.outlines import outline
from geoseg.scenes.site import Lot, Site

__all__ = ["Settlement", "draw_annexes", "draw_lots"]


@dataclass(frozen=True)
class Footprint:
    """The rectangle that a building starts from: centre, angle in radians, length and depth in metres."""

    x: float
    y: float
    angle: float
    long: float
    deep: float


@dataclass(frozen=True)
class Settlement:
    """The lots along all streets, the buildings on them, and their yards and drives."""

    lots: tuple[Lot, ...]
    buildings: tuple[Building, ...]
    grounds: tuple[Block, ...]


def draw_lots(site: Site, streets: Iterable[Street]) -> Settlement:
    """Lots with their buildings, drives and yards, along both sides of every street."""
    lots: list[Lot] = []
    buildings: list[Building] = []
    grounds: list[Block] = []
    extent = site.frame.reach + 20
    for street in streets:
        for side in (-1, 1):
            at = -extent + float(site.rng.uniform(0, 10))
            while at < extent:
                lot = Lot(street, side, at, float(site.rng.uniform(*site.quarter.front)))
                built, ground = _build(site, lot)
                lots.append(lot)
                buildings += built
                grounds += ground
                at += lot.front
    return Settlement(tuple(lots), tuple(buildings), tuple(grounds))


def _build(site: Site, lot: Lot) -> tuple[list[Building], list[Block]]:
    """The building of a lot, where one fits, with its yard and its drive."""
    rng, quarter, street = site.rng, site.quarter, lot.street
    edge = street.width / 2 + street.verge + street.pavement
    long = lot.front * float(rng.uniform(0.66, 0.95))
    deep, setback = float(rng.uniform(*quarter.depth)), float(rng.uniform(*quarter.setback))
    deep = min(deep, max(long, 7.0))
    chance = rng.uniform(size=4)
    spare = 1.0
    if chance[3] < quarter.attached:  # wall to wall
        long, deep, spare = lot.front, float(rng.uniform(*quarter.depth)), -0.4
    for _ in range(3):  # a smaller house where a large one does not fit
        u, v = street.uv(lot.at + lot.front / 2, lot.side * (edge + setback + deep / 2))
        x, y = site.frame.xy(u, v)
        if not site.contains(x, y, 25):
            return [], []
        angle = site.frame.heading(u) + (0 if street.axis == "u" else math.pi / 2)
        building = _draw_building(site, Footprint(x, y, angle, long, deep))
        plot = outline(building, site.frame).buffer(spare, join_style="mitre")
        if site.is_free(plot):
            break
        long, deep = long * (0.72 if spare > 0 else 1.0), deep * 0.8
    else:
        return [], []
    if chance[0] > quarter.built:
        return [], []
    site.taken.add(plot)
    grounds = []
    if chance[1] < quarter.paved:
        length, width = long * float(rng.uniform(0.8, 1.25)), deep + float(rng.uniform(3, 12))
        grounds.append(Block("yard", x, y, angle, length, width, float(rng.uniform(0.8, 1.7))))
    elif quarter.bare and rng.uniform() < quarter.bare:
        length, width = long * float(rng.uniform(1.0, 1.6)), deep + float(rng.uniform(4, 14))
        grounds.append(Block("earth", x, y, angle, length, width, float(rng.uniform(0.7, 1.4))))
    if chance[2] < 0.6:
        across = lot.side * (edge - street.pavement + (setback + deep) / 2)
        dx, dy = site.frame.xy(*street.uv(lot.at + lot.front / 2 + long * 0.42, across))
        length = setback + deep + street.pavement
        grounds.append(Block("drive", dx, dy, angle, 2.9, length, float(rng.uniform(1.2, 2.2))))
    return [building], grounds


def _draw_building(site: Site, place: Footprint) -> Building:
    rng, long, deep = site.rng, place.long, place.deep
    wings = [(0.0, 0.0, long / 2, deep / 2)]
    if rng.uniform() < (0.15 if site.quarter.attached > 0.5 else 0.5):
        along, across = float(rng.uniform(-0.3, 0.3)) * long, float(rng.choice([-1, 1])) * deep * 0.5
        wings.append((along, across, long * float(rng.uniform(0.2, 0.32)), deep * float(rng.uniform(0.35, 0.65))))
    if rng.uniform() < 0.2:
        along = float(rng.choice([-1, 1])) * long * 0.45
        wings.append((along, 0.0, long * float(rng.uniform(0.2, 0.3)), deep * float(rng.uniform(0.6, 0.8))))
    flat = rng.uniform() < site.quarter.flat
    storeys = int(rng.integers(3, 6)) if site.style.quarter == "dense" else int(rng.integers(1, 4))
    building = Building(
        x=place.x,
        y=place.y,
        angle=place.angle,
        wings=tuple(wings),
        eaves=storeys * 2.7 + float(rng.uniform(0, 1.2)),
        roof="flat" if flat else "hip" if rng.uniform() < 0.4 else "gable",
        pitch=math.tan(math.radians(float(rng.uniform(22, 45)))),
        seed=int(rng.integers(1 << 31)),
    )
    return _covered(site, building) if site.quarter.metal else building


def _covered(site: Site, building: Building) -> Building:
    """The building with a roof of metal sheets, flat or at a low pitch, with a terrace, or as it is."""
    chance, low = site.rng.uniform(), math.tan(math.radians(float(site.rng.uniform(4, 16))))
    if building.roof == "flat":
        return (
            replace(building, cover="terrace") if chance > site.quarter.metal / 3 else replace(building, cover="metal")
        )
    if chance < site.quarter.metal:
        return replace(building, cover="metal", roof="gable", pitch=low)
    return building


def draw_annexes(site: Site) -> list[Building]:
    """Back houses, garages and sheds on the ground that the lots left open."""
    rng, buildings = site.rng, []
    for _ in range(int(site.area / 1e4 * site.quarter.annexes)):
        x, y = site.draw_point(beyond=10)
        scale = float(rng.choice([0.4, 1.0, 2.0], p=[0.3, 0.3, 0.4]))
        long, deep = float(rng.uniform(5, 9)) * scale, float(rng.uniform(4, 6.5)) * scale
        building = _draw_building(site, Footprint(x, y, site.draw_angle(), long, deep))
        building = replace(building, wings=((0.0, 0.0, long / 2, deep / 2),))
        if scale < 1:
            building = replace(building, eaves=float(rng.uniform(2.2, 3)), roof="flat")
        plot = outline(building, site.frame).buffer(site.quarter.annex_gap, join_style="mitre")
        if not (site.taken.hits(plot) or site.roads.hits(plot.buffer(2.0 if site.quarter.annex_gap > 0.5 else 0.3))):
            site.taken.add(plot)
            buildings.append(building)
    return buildings

"""Kinds of town, and the style of a scene: quarter, sun and camera, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoseg.scenes.objects import Style

__all__ = ["POTSDAM_LIKE", "QUARTERS", "SOUTHERN", "Quarter", "random_style"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Quarter:
    """Figures of one kind of town.

    Ranges in metres: `gap` between streets, `front` of a lot, `depth` of a building, `setback` from the street.
    Chances: a lot is `built` on, has a `paved` yard; a building has a `flat` roof.
    Densities: `trees` and `clutter` per square metre, `car_parks` per hectare.

    What Potsdam lacks follows. Chances: a house is `attached` to its neighbours, a roof is of `metal`, a street of
    `earth`, a yard `bare`. Ranges in metres: widths of a `street` and its `pavement`. Per hectare: `annexes`, with
    `annex_gap` metres around them, `fields`, and `earth_ground`, which is trodden places; `soil` and `pools`.
    `leafless` is the chance of a winter scene, and `haze` bounds the share of white veil.
    """

    gap: Range
    front: Range
    depth: Range
    setback: Range
    built: float
    paved: float
    flat: float
    trees: float
    clutter: float
    car_parks: float
    attached: float = 0.0
    metal: float = 0.0
    earth: float = 0.0
    bare: float = 0.0
    street: Range = (4.6, 8.5)
    pavement: Range = (1.2, 2.8)
    annexes: float = 34.0
    annex_gap: float = 0.6
    fields: float = 0.0
    earth_ground: float = 0.0
    soil: float = 15.0
    pools: float = 3.5
    leafless: float = 0.25
    haze: Range = (0.0, 0.04)


QUARTERS = {
    "suburb": Quarter((34, 48), (13, 22), (9, 14), (1, 4), 0.97, 0.3, 0.25, 0.013, 0.0024, 0.5),
    "dense": Quarter((36, 56), (16, 34), (12, 18), (0, 2), 0.98, 0.6, 0.5, 0.011, 0.0018, 0.7),
    "commercial": Quarter((52, 90), (28, 56), (18, 36), (2, 9), 0.95, 0.75, 0.85, 0.007, 0.0016, 2.0),
    "park": Quarter((60, 110), (20, 50), (8, 14), (2, 10), 0.6, 0.2, 0.4, 0.02, 0.0014, 0.4),
    "old town": Quarter(
        gap=(20, 34),
        front=(5, 11),
        depth=(8, 14),
        setback=(0, 0.4),
        built=0.96,
        paved=0.5,
        flat=0.65,
        trees=0.003,
        clutter=0.004,
        car_parks=0.3,
        attached=0.85,
        metal=0.6,
        earth=0.3,
        bare=0.5,
        street=(2.4, 6.0),
        pavement=(0.0, 0.9),
        annexes=70.0,
        annex_gap=0.1,
        fields=1.0,
        earth_ground=40.0,
        soil=0.0,
        pools=0.5,
    ),
    "village": Quarter(
        gap=(40, 72),
        front=(12, 26),
        depth=(7, 11),
        setback=(1, 8),
        built=0.75,
        paved=0.4,
        flat=0.3,
        trees=0.013,
        clutter=0.003,
        car_parks=0.3,
        attached=0.1,
        metal=0.6,
        earth=0.7,
        bare=0.7,
        street=(2.6, 5.5),
        pavement=(0.0, 0.6),
        annexes=22.0,
        fields=12.0,
        earth_ground=5.0,
        soil=0.0,
        pools=2.0,
    ),
    "edge of town": Quarter(
        gap=(36, 80),
        front=(10, 30),
        depth=(8, 15),
        setback=(0, 10),
        built=0.7,
        paved=0.6,
        flat=0.6,
        trees=0.008,
        clutter=0.009,
        car_parks=0.8,
        attached=0.3,
        metal=0.6,
        earth=0.6,
        bare=0.6,
        street=(3.0, 9.0),
        pavement=(0.0, 1.6),
        annexes=24.0,
        annex_gap=0.3,
        fields=6.0,
        earth_ground=14.0,
        soil=0.0,
        pools=3.0,
    ),
    "woods": Quarter(
        gap=(60, 120),
        front=(20, 50),
        depth=(7, 12),
        setback=(3, 14),
        built=0.25,
        paved=0.15,
        flat=0.2,
        trees=0.045,
        clutter=0.0008,
        car_parks=0.3,
        earth=0.6,
        bare=0.3,
        street=(2.6, 6.0),
        pavement=(0.0, 0.4),
        annexes=6.0,
        fields=4.0,
        earth_ground=6.0,
        leafless=0.6,
        haze=(0.0, 0.2),
    ),
    "retail park": Quarter(
        gap=(60, 100),
        front=(30, 60),
        depth=(16, 34),
        setback=(3, 16),
        built=0.8,
        paved=0.9,
        flat=0.9,
        trees=0.004,
        clutter=0.002,
        car_parks=12.0,
        metal=0.4,
        street=(5.5, 12.0),
        annexes=4.0,
        earth_ground=4.0,
        pools=0.3,
        haze=(0.0, 0.2),
    ),
}
"""Kinds of town by the name that `Style.quarter` gives."""

POTSDAM_LIKE = ("suburb", "dense", "commercial", "park")
"""The kinds that a scene draws from where nobody names any."""

SOUTHERN = ("old town", "village", "edge of town")
"""The kinds that look more like towns of the south."""


def random_style(rng: np.random.Generator, quarter: str | None = None) -> Style:
    """A quarter, a sun and a camera, wide enough that a network trained on many of them is not fooled by one."""
    tint = rng.normal(0, 0.04, 3)
    name = quarter or str(rng.choice(list(POTSDAM_LIKE), p=[0.5, 0.26, 0.12, 0.12]))
    kind = QUARTERS[name]
    return Style(
        quarter=name,
        sun_elevation=float(rng.uniform(32, 60)),
        sun_azimuth=float(rng.uniform(0, 360)),
        leaf_off=bool(rng.uniform() < kind.leafless),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        saturation=float(rng.uniform(0.6, 1.1)),
        gamma=float(rng.uniform(0.42, 0.58)),
        sky=float(rng.uniform(0.18, 0.34)),
        exposure=float(rng.uniform(1.5, 2.2)),
        blur=float(rng.uniform(0.45, 0.9)),
        noise=float(rng.uniform(0.004, 0.014)),
        contrast=float(rng.uniform(0.88, 1.12)),
        haze=float(rng.uniform(*kind.haze)),
    )

"""Kinds of town, and the style of a scene: quarter, sun and camera, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoseg.scenes.objects import Style

__all__ = ["QUARTERS", "Quarter", "random_style"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Quarter:
    """Figures of one kind of town.

    Ranges in metres: `gap` between streets, `front` of a lot, `depth` of a building, `setback` from the street.
    Chances: a lot is `built` on, has a `paved` yard; a building has a `flat` roof.
    Densities: `trees` and `clutter` per square metre, `car_parks` per hectare.
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


QUARTERS = {
    "suburb": Quarter((34, 48), (13, 22), (9, 14), (1, 4), 0.97, 0.3, 0.25, 0.013, 0.0024, 0.5),
    "dense": Quarter((36, 56), (16, 34), (12, 18), (0, 2), 0.98, 0.6, 0.5, 0.011, 0.0018, 0.7),
    "commercial": Quarter((52, 90), (28, 56), (18, 36), (2, 9), 0.95, 0.75, 0.85, 0.007, 0.0016, 2.0),
    "park": Quarter((60, 110), (20, 50), (8, 14), (2, 10), 0.6, 0.2, 0.4, 0.02, 0.0014, 0.4),
}
"""Kinds of town by the name that `Style.quarter` gives."""


def random_style(rng: np.random.Generator, quarter: str | None = None) -> Style:
    """A quarter, a sun and a camera, wide enough that a network trained on many of them is not fooled by one."""
    tint = rng.normal(0, 0.04, 3)
    return Style(
        quarter=quarter or str(rng.choice(list(QUARTERS), p=[0.5, 0.26, 0.12, 0.12])),
        sun_elevation=float(rng.uniform(32, 60)),
        sun_azimuth=float(rng.uniform(0, 360)),
        leaf_off=bool(rng.uniform() < 0.25),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        saturation=float(rng.uniform(0.6, 1.1)),
        gamma=float(rng.uniform(0.42, 0.58)),
        sky=float(rng.uniform(0.18, 0.34)),
        exposure=float(rng.uniform(1.5, 2.2)),
        blur=float(rng.uniform(0.45, 0.9)),
        noise=float(rng.uniform(0.004, 0.014)),
        contrast=float(rng.uniform(0.88, 1.12)),
        haze=float(rng.uniform(0.0, 0.04)),
    )

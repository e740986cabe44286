"""The patches that a network wants, in pixels of the sheets: what `tile` plans with, and `infer` works with.

Arithmetic with a plan and a card; opens nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from geoseg.errors import ModelError, UsageError
from geoseg.geometry.lattice import Lattice
from geoseg.models.card import Card
from geoseg.plan import Plan

__all__ = ["fitted_lattice", "ratio_of", "snapped_ratio"]

TOLERANCE = 1.2
"""A GSD this much outside a model's range is still taken."""


def snapped_ratio(gsd: float, card: Card) -> Fraction:
    """Network pixels per source pixel: 1 where the GSD is within 15 % of the network's own, else a near fraction.

    It keeps patch, stride and margin whole numbers of source pixels.
    """
    wanted = gsd / card.gsd
    if abs(wanted - 1) <= 0.15:
        return Fraction(1)
    sizes = (card.patch, card.patch - card.overlap, card.margin)
    fits = {
        Fraction(p, q)
        for q in range(1, 65)
        for p in range(1, 65)
        if all((Fraction(n) * Fraction(q, p)).denominator == 1 for n in sizes)
    }

    def off(ratio: Fraction) -> float:
        return abs(float(ratio) / wanted - 1)

    good = [r for r in fits if off(r) <= 0.15] or [min(fits, key=off)]
    return min(good, key=lambda r: (r.numerator * r.denominator, off(r)))


def ratio_of(gsd: float, card: Card, resample: bool) -> Fraction:
    """Network pixels per source pixel: 1 within 15 % of the network's own GSD, else a small fraction.

    Raises:
        ModelError: the GSD is more than 20 % outside the network's range and `resample` is not set.
    """
    low, high = card.gsd_range
    if not resample and not low / TOLERANCE <= gsd <= high * TOLERANCE:
        raise ModelError(
            card.name,
            f"was made for GSDs of {low:g} to {high:g} m, the sheets have {gsd:.3g} m",
            "use another model, or force it with --resample (expect poor results)",
        )
    return snapped_ratio(gsd, card)


def fitted_lattice(plan: Plan, card: Card, margin: int, ratio: Fraction) -> Lattice:
    """The lattice in source pixels: the network's own, or the one asked for where the network can take it.

    Args:
        plan: the run.
        card: the network's.
        margin: in network pixels (largest of an ensemble's).
        ratio: network pixels per source pixel.

    Raises:
        UsageError: patch size or overlap that the network cannot take; names the nearest ones.
    """
    source_margin = math.ceil(Fraction(margin) / ratio)
    if not plan.asked_lattice:
        return Lattice(int(card.patch / ratio), int(card.overlap / ratio), source_margin)
    step = Fraction(card.stride) / ratio
    for name, size in (("--patch-size", plan.lattice.patch), ("--overlap", plan.lattice.overlap)):
        if (size / step).denominator != 1 or (size * ratio).denominator != 1:
            unit = step.numerator
            lower = size // unit * unit
            raise UsageError(
                name,
                f"{size} px, but {card.name} takes multiples of {unit} px at this GSD",
                f"run geoseg tile again with {lower} or {lower + unit}",
            )
    if 2 * source_margin >= plan.lattice.overlap and source_margin:
        raise UsageError(
            "--overlap",
            f"{plan.lattice.overlap} px, but {card.name} needs more than {2 * source_margin} px "
            f"(its margin is {margin} network px)",
            "run geoseg tile again with a larger overlap, or without --patch-size and --overlap",
        )
    return replace(plan.lattice, margin=source_margin)

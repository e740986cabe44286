"""What a network asks of a run, and whether the run can give it: bands, data type, GSD, patch geometry.

Arithmetic and comparisons of a plan with a card; opens nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from geoseg.arrays import full_scale
from geoseg.errors import ModelError, UsageError
from geoseg.geometry.lattice import Lattice
from geoseg.models.card import Card
from geoseg.models.facts import Normalise
from geoseg.plan import Plan
from geoseg.predict.region import snapped_ratio
from geoseg.sheets.bands import band_meanings, bands_in_words

__all__ = ["bands_of", "fitted_lattice", "normalise_of", "ratio_of"]

TOLERANCE = 1.2
"""A GSD this much outside a model's range is still taken."""


def bands_of(plan: Plan, card: Card) -> dict[str, tuple[int, ...]]:
    """1-based bands of each sheet in the order that the network wants.

    Raises:
        ModelError: a band that the network wants is not there, or --bands names another number.
    """
    wanted = card.bands
    if plan.bands:
        if len(plan.bands) != len(wanted):
            raise ModelError(
                card.name,
                f"wants {len(wanted)} bands ({', '.join(wanted)}), --bands names {len(plan.bands)}",
                "run geoseg tile again with as many --bands",
            )
        return {s.path: plan.bands for s in plan.sheets}
    picked = {}
    for sheet in plan.sheets:
        meanings = band_meanings(sheet.header)
        missing = [b for b in wanted if b not in meanings]
        if missing:
            raise ModelError(
                card.name,
                f"wants {', '.join(wanted)}; {sheet.path} has {bands_in_words(sheet.header)}",
                f"say which bands those are with geoseg tile --bands, such as {_example(wanted)}, or use another model",
            )
        picked[sheet.path] = tuple(meanings.index(b) + 1 for b in wanted)
    return picked


def _example(wanted: tuple[str, ...]) -> str:
    """As many band numbers as a network wants."""
    return "--bands " + ",".join(str(k + 1) for k in range(len(wanted)))


def normalise_of(plan: Plan, card: Card, value_range: tuple[float, float] | None) -> Normalise:
    """Mean and deviation in the units of the sheets.

    Args:
        plan: the run.
        card: the network's.
        value_range: the sheets' values for the network's 0 and 255 (or 1 for float networks); None for the same units.

    Raises:
        ModelError: another data type than the network was trained on, and no range given.
    """
    dtype = plan.sheets[0].header.dtype if plan.sheets else card.dtype
    mean, std = np.array(card.mean, np.float32), np.array(card.std, np.float32)
    if value_range is None:
        if dtype != card.dtype:
            raise ModelError(
                card.name,
                f"was trained on {card.dtype}, the sheets are {dtype}",
                "say with --range LOW,HIGH which values stand for its darkest and brightest",
            )
        return Normalise(mean, std)
    low, high = value_range
    if high <= low:
        raise UsageError("--range", f"{low},{high}, expected LOW,HIGH with LOW < HIGH", "for instance 0,4095")
    scale = np.float32((high - low) / full_scale(card.dtype))
    return Normalise(mean * scale + np.float32(low), std * scale)


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

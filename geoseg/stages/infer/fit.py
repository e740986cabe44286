"""What a network asks of the sheets of a run, and whether they can give it: bands and data type.

Arithmetic and comparisons of a plan with a card; opens nothing.
"""

from __future__ import annotations

import numpy as np

from geoseg.arrays import full_scale
from geoseg.errors import ModelError, UsageError
from geoseg.models.card import Card
from geoseg.models.facts import Normalise
from geoseg.plan import Plan
from geoseg.sheets.bands import band_meanings, bands_in_words

__all__ = ["bands_of", "normalise_of"]


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

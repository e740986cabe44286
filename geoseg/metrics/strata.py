"""The accuracy of a map from a stratified random sample, with intervals.

Olofsson et al. (2014), Good practices for estimating area and assessing accuracy of land change, Remote Sensing of
Environment 148: equations 4 to 6 with the map's classes as strata. Intervals are Wilson's (1927) with the size of the
simple sample that has the same variance (Korn, Graubard 1998), where half a place more counts as right and half a place
more as wrong in each stratum: a stratum without a mistake would have no variance. They stay within 0 and 1; for large
samples they are those of the paper, 1.96 standard errors to both sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Estimate", "Stratum", "overall_accuracy", "users_accuracy"]

Z = 1.959964
"""Standard errors to both sides of a mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class Stratum:
    """One class of a map: its pixels, how many places of it were judged, and how many of these are right."""

    pixels: int
    judged: int
    right: int

    @property
    def hides_variance(self) -> bool:
        """Whether a single place stands for others: a variance needs two."""
        return self.judged == 1 < self.pixels


@dataclass(frozen=True)
class Estimate:
    """A share (0 to 1), its standard error, and the ends of its 95 % interval.

    The standard error is None where it is not known: one judged place of several does not tell how much they differ.
    """

    value: float
    standard_error: float | None
    low: float
    high: float


def users_accuracy(stratum: Stratum) -> Estimate | None:
    """The share of a class on the map that is right; None where nothing was judged."""
    return overall_accuracy([stratum])


def overall_accuracy(strata: Sequence[Stratum]) -> Estimate | None:
    """The share of the map that is right: that of each stratum, weighted by its pixels.

    Strata without a judged place are left out of the map; None where there is no other.

    Example:
        >>> round(overall_accuracy([Stratum(900, 50, 45), Stratum(100, 50, 25)]).value, 2)
        0.86
    """
    known = [s for s in strata if s.judged and s.pixels]
    whole = sum(s.pixels for s in known)
    if not whole:
        return None
    weights = [s.pixels / whole for s in known]
    shares = [s.right / s.judged for s in known]
    value = sum(w * p for w, p in zip(weights, shares, strict=True))
    near = [(s.right + 0.5) / (s.judged + 1) for s in known]
    middle = sum(w * p for w, p in zip(weights, near, strict=True))
    size = middle * (1 - middle) / _variance(known, weights, near)
    low, high = _wilson(value, size)
    told = not any(s.hides_variance for s in known)
    return Estimate(value, math.sqrt(_variance(known, weights, shares)) if told else None, low, high)


def _variance(strata: Sequence[Stratum], weights: Sequence[float], shares: Sequence[float]) -> float:
    """Variance of the sum of weighted shares (equation 5)."""
    return sum(w**2 * p * (1 - p) / max(1, s.judged - 1) for s, w, p in zip(strata, weights, shares, strict=True))


def _wilson(value: float, size: float) -> tuple[float, float]:
    """The ends of the interval of a share in a simple sample."""
    centre = (value + Z**2 / (2 * size)) / (1 + Z**2 / size)
    half = Z / (1 + Z**2 / size) * math.sqrt(value * (1 - value) / size + Z**2 / (4 * size**2))
    return max(0.0, centre - half), min(1.0, centre + half)

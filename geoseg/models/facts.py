"""Small facts that decide scores: how an engine computes, and how pixels are standardised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from geoseg.arrays import Floats

__all__ = ["NO_NETWORK", "Conversion", "EngineFacts", "Normalise"]


@dataclass(frozen=True)
class Normalise:
    """(x - mean) / std per band, in the units of the source data."""

    mean: Floats
    std: Floats


NO_NETWORK = "none"
"""Engine of a run that was made from a class raster."""


@dataclass(frozen=True)
class EngineFacts:
    """How scores are computed; equal facts on the same kind of machine give equal bits."""

    engine: str
    precision: str
    device: str
    batch: int
    tta: str
    ratio: str

    def to_json(self) -> dict[str, Any]:
        """Plain dict."""
        return asdict(self)


@dataclass(frozen=True)
class Conversion:
    """What lies around a network: how pixels are standardised before it, and what its scores become after it.

    `values`: class value of each output channel; `temperature` divides scores before softmax; `subject`: named in errors.
    """

    normalise: Normalise
    values: tuple[int, ...]
    temperature: float
    subject: object = "model"

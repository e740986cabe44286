"""Facts that decide scores: how an engine computes, and how pixels are standardised."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from geoseg.arrays import Floats, Json

__all__ = ["NO_NETWORK", "Conversion", "EngineFacts", "Normalise"]


@dataclass(frozen=True)
class Normalise:
    """The scaling (x - mean) / std: one float32 of each per band, in the units of the source data."""

    mean: Floats
    std: Floats


NO_NETWORK = "none"
"""Engine of a run that was made from a class raster."""


@dataclass(frozen=True)
class EngineFacts:
    """How scores are computed. Equal facts on the same kind of machine give equal bits.

    `precision`: "f32" or "bf16"; `device`: "cpu" or "cuda"; `batch`: patches to a call; `ratio`: network pixels per
    source pixel, as a fraction in text.
    """

    engine: str
    precision: str
    device: str
    batch: int
    tta: str
    ratio: str

    def to_json(self) -> Json:
        """The facts as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Conversion:
    """The steps around a network: how pixels are standardised before it, and what its scores mean after it.

    `values`: class value of each of the first channels; `aux`: how many scores follow them; `temperature`: divisor of
    the scores before softmax; `subject`: named in errors.
    """

    normalise: Normalise
    values: tuple[int, ...]
    temperature: float
    subject: object = "model"
    aux: int = 0

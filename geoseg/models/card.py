"""The card of a model: what a network needs, and what is known about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from geoseg.classes import ClassTable
from geoseg.errors import ModelError

__all__ = ["Card"]


BANDS = ("red", "green", "blue", "nir", "grey", "height", "other")


@dataclass(frozen=True)
class Card:
    """What a network needs and what is known about it.

    `mean` and `std` are per band in the units of the data (0 to 255 for uint8). `patch`, `overlap`, `margin` and `stride` are
    in network pixels of `gsd` metres. `output` is "logits" or "probabilities"; `temperature` divides logits before softmax.
    `patch_dependent`: scores hang on the patch size (global pooling), so only the trained one should be used.
    """

    name: str
    architecture: str
    classes: ClassTable
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    gsd: float
    gsd_range: tuple[float, float]
    arguments: dict[str, Any] = field(default_factory=dict)
    dtype: str = "uint8"
    patch: int = 512
    overlap: int = 128
    margin: int = 0
    stride: int = 32
    patch_dependent: bool = True
    output: str = "logits"
    temperature: float = 1.0
    good_for: str = ""
    not_good_for: str = ""
    training: str = ""
    licence: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.bands)
        if not count or len(self.mean) != count or len(self.std) != count:
            raise ModelError(
                self.name,
                f"{count} bands, {len(self.mean)} means, {len(self.std)} deviations; expected as many of each",
            )
        if any(b not in BANDS for b in self.bands):
            raise ModelError(self.name, f"bands {self.bands}, expected names out of {', '.join(BANDS)}")
        if not all(s > 0 for s in self.std):
            raise ModelError(self.name, f"deviations {self.std}, expected numbers above 0")
        if self.output not in ("logits", "probabilities"):
            raise ModelError(self.name, f"output {self.output!r}, expected logits or probabilities")
        if not 0 < self.gsd_range[0] <= self.gsd <= self.gsd_range[1]:
            raise ModelError(self.name, f"GSD {self.gsd} m outside its own range {self.gsd_range}")
        if self.temperature <= 0:
            raise ModelError(self.name, f"temperature {self.temperature}, expected a number above 0")

    def to_json(self) -> dict[str, Any]:
        """Plain dict."""
        return {**asdict(self), "classes": self.classes.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any], subject: object) -> Card:
        """Inverse of `to_json`.

        Raises:
            ModelError: names the field that is missing or wrong.
        """
        if not isinstance(value, dict):
            raise ModelError(
                subject, f"holds a {type(value).__name__}, expected a mapping of fields", "see geoseg model info --json"
            )
        try:
            known = {k: v for k, v in value.items() if k in cls.__dataclass_fields__}
            rows = known.pop("classes")
            for name in ("bands", "mean", "std", "gsd_range"):
                known[name] = tuple(known[name])
            return cls(classes=ClassTable.from_json(rows), **known)
        except (KeyError, TypeError) as error:
            raise ModelError(
                subject, f"its card lacks or misspells a field: {error}", "see geoseg model info --help"
            ) from error

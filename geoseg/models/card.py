"""The card of a model: the inputs that its network needs, and what is known about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.errors import ModelError

__all__ = ["Card"]


BANDS = ("red", "green", "blue", "nir", "grey", "height", "other")


@dataclass(frozen=True)
class Card:
    """The inputs that a network needs, and what is known about it.

    `mean` and `std` are per band in the units of the data (0 to 255 for uint8). `patch`, `overlap`, `margin` and
    `stride` are in network pixels of `gsd` metres. `output` is "logits" or "probabilities"; `temperature` divides
    logits before softmax. `gsd_range`: metres that it was trained for. `arguments`: those of its architecture.
    `patch_dependent`: scores depend on the patch size (global pooling), so only the trained size should be used.

    Raises:
        ModelError: fields that contradict each other.
    """

    name: str
    architecture: str
    classes: ClassTable
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    gsd: float
    gsd_range: tuple[float, float]
    arguments: Json = field(default_factory=dict)
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
    metrics: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, cure = len(self.bands), "correct its card"
        if not count or len(self.mean) != count or len(self.std) != count:
            what = f"{count} bands, {len(self.mean)} means, {len(self.std)} deviations; expected as many of each"
            raise ModelError(self.name, what, cure)
        if any(b not in BANDS for b in self.bands):
            raise ModelError(self.name, f"bands {self.bands}, expected names out of {', '.join(BANDS)}", cure)
        if not all(s > 0 for s in self.std):
            raise ModelError(self.name, f"deviations {self.std}, expected numbers above 0", cure)
        if self.output not in ("logits", "probabilities"):
            raise ModelError(self.name, f"output {self.output!r}, expected logits or probabilities", cure)
        if not 0 < self.gsd_range[0] <= self.gsd <= self.gsd_range[1]:
            raise ModelError(self.name, f"GSD {self.gsd} m outside its own range {self.gsd_range}", cure)
        if self.temperature <= 0:
            raise ModelError(self.name, f"temperature {self.temperature}, expected a number above 0", cure)

    def to_json(self) -> Json:
        """The card as JSON."""
        return {**asdict(self), "classes": self.classes.to_json()}

    @classmethod
    def from_json(cls, value: Json, subject: object) -> Card:
        """Inverse of `to_json`; `subject` is named in errors. Unknown fields are passed over.

        Raises:
            ModelError: a field is missing or wrong; names it.
        """
        if not isinstance(value, dict):
            what = f"holds a {type(value).__name__}, expected a mapping of fields"
            raise ModelError(subject, what, "see geoseg model info --json")
        try:
            known: Json = {k: v for k, v in value.items() if k in cls.__dataclass_fields__}
            rows = known.pop("classes")
            for name in ("bands", "mean", "std", "gsd_range"):
                known[name] = tuple(known[name])
            return cls(classes=ClassTable.from_json(rows), **known)
        except (KeyError, TypeError) as error:
            what = f"its card lacks or misspells a field: {error}"
            raise ModelError(subject, what, "see geoseg model info --json") from error

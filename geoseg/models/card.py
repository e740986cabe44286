"""The card of a model: the inputs that its network needs, and what is known about it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.errors import ModelError
from geoseg.parse import has_controls

__all__ = ["AUX", "Card"]


LARGEST_PATCH = 32_768
LARGEST_ARGUMENT = 4_096
_TEXTS = ("name", "architecture", "dtype", "output", "good_for", "not_good_for", "training", "parent", "licence")
_NUMBERS = ("mean", "std", "gsd", "gsd_range", "temperature")
_WHOLE = ("patch", "overlap", "margin", "stride")
AUX = {"contact": "where two buildings meet, or nearly meet"}
"""Scores that a network may give beside its classes."""
BANDS = ("red", "green", "blue", "nir", "grey", "height", "other")


@dataclass(frozen=True)
class Card:
    """The inputs that a network needs, and what is known about it.

    `mean` and `std` are per band in the units of the data (0 to 255 for uint8). `patch`, `overlap`, `margin` and
    `stride` are in network pixels of `gsd` metres. `output` is "logits" or "probabilities"; `temperature` divides
    logits before softmax. `gsd_range`: metres that it was trained for. `arguments`: those of its architecture.
    `parent`: the network whose weights its training began with.
    `patch_dependent`: scores depend on the patch size (global pooling), so only the trained size should be used.
    `aux`: scores beside the classes, which the network gives after those of the classes (a key of `AUX`).

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
    parent: str = ""
    licence: str = ""
    metrics: Json = field(default_factory=dict)
    aux: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        cure = "correct its card"
        if wrong := _wrong_type(self):
            raise ModelError(self.name, wrong, cure)
        count = len(self.bands)
        if not count or len(self.mean) != count or len(self.std) != count:
            what = f"{count} bands, {len(self.mean)} means, {len(self.std)} deviations; expected as many of each"
            raise ModelError(self.name, what, cure)
        if len(self.classes) < 2:
            what = f"has {len(self.classes)} class, expected two or more"
            raise ModelError(self.name, what, "add the class of all other pixels, such as background")
        if any(b not in BANDS for b in self.bands):
            raise ModelError(self.name, f"bands {self.bands}, expected names out of {', '.join(BANDS)}", cure)
        if not all(s > 0 for s in self.std):
            raise ModelError(self.name, f"deviations {self.std}, expected numbers above 0", cure)
        if wrong := _wrong_aux(self):
            raise ModelError(self.name, wrong, cure)
        if self.output not in ("logits", "probabilities"):
            raise ModelError(self.name, f"output {self.output!r}, expected logits or probabilities", cure)
        if not 0 < self.gsd_range[0] <= self.gsd <= self.gsd_range[1]:
            raise ModelError(self.name, f"GSD {self.gsd} m outside its own range {self.gsd_range}", cure)
        if self.temperature <= 0:
            raise ModelError(self.name, f"temperature {self.temperature}, expected a number above 0", cure)
        if not 1 <= self.patch <= LARGEST_PATCH or not 0 <= self.overlap < self.patch:
            what = f"patch {self.patch}, overlap {self.overlap}, expected 1 to {LARGEST_PATCH}, and less than the patch"
            raise ModelError(self.name, what, cure)
        if self.stride < 1 or self.margin < 0:
            what = f"stride {self.stride}, margin {self.margin}, expected 1 or more, and 0 or more"
            raise ModelError(self.name, what, cure)

    def to_json(self) -> Json:
        """The card as JSON; without `aux` and `parent` where there is none, so that older cards keep their hashes."""
        value = {**asdict(self), "classes": self.classes.to_json()}
        return {k: v for k, v in value.items() if v or k not in ("aux", "parent")}

    @property
    def scores(self) -> int:
        """Scores that the network gives for each pixel: those of the classes, then `aux`."""
        return len(self.classes) + len(self.aux)

    @property
    def network(self) -> Json:
        """What `networks.make_network` needs to know besides the name of the architecture."""
        aux = {"aux_scores": len(self.aux)} if self.aux else {}
        return {"bands": len(self.bands), "classes": len(self.classes), **aux, **self.arguments}

    @classmethod
    def from_text(cls, text: str, subject: object) -> Card:
        """The card in a text of JSON; errors as of `from_json`."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(subject, f"its card is no JSON: {error}", "see geoseg model info --json") from error
        return cls.from_json(value, subject)

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
            for name in ("bands", "mean", "std", "gsd_range", *(["aux"] if "aux" in known else [])):
                known[name] = tuple(known[name])
            return cls(classes=ClassTable.from_json(rows), **known)
        except ModelError as error:  # of a field: the file is what the user has to open
            raise ModelError(subject, f"its card is wrong: {error.subject}: {error.what}", error.cure) from error
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            what = f"its card lacks or misspells a field: {error}"
            raise ModelError(subject, what, "see geoseg model info --json") from error


def _too_much(arguments: Any) -> str:
    """What is wrong with arguments that would make a network of any size; "" for nothing."""
    if isinstance(arguments, dict):
        return next((w for w in map(_too_much, arguments.values()) if w), "")
    if isinstance(arguments, list):
        return next((w for w in map(_too_much, arguments) if w), "") if len(arguments) <= 64 else "long lists"
    if isinstance(arguments, (int, float)) and not -LARGEST_ARGUMENT <= arguments <= LARGEST_ARGUMENT:
        return f"an argument is {arguments}, expected numbers up to {LARGEST_ARGUMENT}"
    return ""


def _wrong_aux(card: Card) -> str:
    """What is wrong with a card's scores beside the classes; "" for nothing."""
    if not set(card.aux) <= set(AUX) or len(set(card.aux)) < len(card.aux):
        return f"aux {card.aux}, expected some of {', '.join(AUX)}, each once"
    if card.aux and card.output == "probabilities":
        return f"output {card.output} with aux {', '.join(card.aux)}, expected logits"
    return ""


def _wrong_type(card: Card) -> str:
    """What is wrong with the types of a card's fields, which a file may give as anything; "" for nothing."""
    for name in _TEXTS:
        value = getattr(card, name)
        if not isinstance(value, str) or has_controls(value.replace("\n", "")):
            return f"{name} is {value!r:.80}, expected text without control characters"
    for name in (*_NUMBERS, *_WHOLE):
        value, kind = getattr(card, name), (int,) if name in _WHOLE else (int, float)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, bool) or not isinstance(number, kind) or not math.isfinite(number):
                return f"{name} is {value!r:.80}, expected {'whole' if name in _WHOLE else 'finite'} numbers"
    if len(card.gsd_range) != 2 or not all(isinstance(b, str) for b in card.bands):
        return f"gsd_range is {card.gsd_range}, bands {card.bands}; expected two numbers, and names"
    if not isinstance(card.arguments, dict) or not isinstance(card.metrics, dict):
        return "arguments or metrics are no mapping"
    return _too_much(card.arguments)

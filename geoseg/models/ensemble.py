"""Ensembles: model files whose answers are averaged."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg.classes import ClassTable
from geoseg.errors import ModelError
from geoseg.models.card import AUX, Card
from geoseg.models.files import ModelFile

__all__ = ["Ensemble", "ensemble_of"]


@dataclass(frozen=True)
class Ensemble:
    """Model files whose answers are averaged: one class table, the same bands, one patch geometry."""

    models: tuple[ModelFile, ...]

    @property
    def card(self) -> Card:
        """The card of the first model, which decides bands, GSD and geometry for all."""
        return self.models[0].card

    @property
    def classes(self) -> ClassTable:
        """The class table of all."""
        return self.card.classes

    @property
    def aux(self) -> tuple[str, ...]:
        """Scores beside the classes that at least one member gives; the others do not count for them."""
        return tuple(name for name in AUX if any(name in m.card.aux for m in self.models))

    @property
    def scores(self) -> int:
        """Scores for each pixel: those of the classes, then `aux`."""
        return len(self.classes) + len(self.aux)

    @property
    def temperature(self) -> float:
        """Divisor of the scores for the confidence; 1 for several models, whose log-probabilities are calibrated."""
        return self.card.temperature if len(self.models) == 1 else 1.0

    @property
    def margin(self) -> int:
        """The largest margin of all members, in network pixels."""
        return max(m.card.margin for m in self.models)


def ensemble_of(models: list[ModelFile]) -> Ensemble:
    """An ensemble of at least one model.

    Raises:
        ModelError: one has another class table, other bands, GSD or scaling than the first.
    """
    first = models[0].card
    for model in models[1:]:
        for name in ("classes", "bands", "gsd", "mean", "std", "dtype"):
            if getattr(model.card, name) != getattr(first, name):
                what = f"has other {name} than {models[0].path}"
                raise ModelError(model.path, what, "an ensemble's members must agree on them")
    return Ensemble(tuple(models))

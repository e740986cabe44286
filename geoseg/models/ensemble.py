"""Model files that answer together."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg.classes import ClassTable
from geoseg.errors import ModelError
from geoseg.models.card import Card
from geoseg.models.files import ModelFile

__all__ = ["Ensemble", "ensemble_of"]


@dataclass(frozen=True)
class Ensemble:
    """Model files that answer together: one class table, one set of bands and one patch geometry."""

    models: tuple[ModelFile, ...]

    @property
    def card(self) -> Card:
        """The first model's card, which decides bands, GSD and geometry for all."""
        return self.models[0].card

    @property
    def classes(self) -> ClassTable:
        """The common class table."""
        return self.card.classes

    @property
    def temperature(self) -> float:
        """For the confidence: an ensemble's log-probabilities are calibrated already."""
        return self.card.temperature if len(self.models) == 1 else 1.0

    @property
    def margin(self) -> int:
        """Largest margin of all members, in network pixels."""
        return max(m.card.margin for m in self.models)


def ensemble_of(models: list[ModelFile]) -> Ensemble:
    """Models that fit together.

    Raises:
        ModelError: another class table, bands, GSD or scaling than the first one's.
    """
    first = models[0].card
    for model in models[1:]:
        for name in ("classes", "bands", "gsd", "mean", "std", "dtype"):
            if getattr(model.card, name) != getattr(first, name):
                raise ModelError(
                    model.path, f"has other {name} than {models[0].path}", "an ensemble's members must agree on them"
                )
    return Ensemble(tuple(models))

"""An ensemble as a backend that computes what was decided."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction

from geoseg.errors import GeosegError, ModelError
from geoseg.models.ensemble import Ensemble
from geoseg.models.facts import Conversion, EngineFacts, Normalise
from geoseg.models.network import build_network
from geoseg.predict.backend import Backend
from geoseg.predict.cpu import CpuBackend
from geoseg.predict.cuda import DeviceBackend, pick_device
from geoseg.predict.engines import ENGINES, checked
from geoseg.predict.wrap import Wrapped

__all__ = ["Setup", "default_lanes", "make_backend"]


@dataclass(frozen=True)
class Setup:
    """What an engine is asked to compute: an ensemble on patches of so many source pixels, of which `ratio` network pixels make one."""

    ensemble: Ensemble
    patch: int
    ratio: Fraction
    tta: str

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """One patch (1, C, P, P)."""
        return 1, len(self.ensemble.card.bands), self.patch, self.patch

    def network(self) -> Wrapped:
        """The members with resampling, augmentation and averaging around them."""
        cards = [m.card for m in self.ensemble.models]
        return Wrapped(
            [build_network(m) for m in self.ensemble.models],
            [c.output == "probabilities" for c in cards],
            [c.temperature for c in cards],
            self.patch,
            self.ratio,
            self.tta,
        ).eval()


def make_backend(
    ensemble: Ensemble, facts: EngineFacts, normalise: Normalise, patch: int, *, device: str, lanes: int
) -> Backend:
    """The backend that computes what the facts say, checked with one warm-up patch.

    Raises:
        ModelError: scores of a wrong shape, NaN, or a network that this engine cannot run.
    """
    network = Setup(ensemble, patch, Fraction(facts.ratio), facts.tta).network()
    values, subject = ensemble.classes.values, ensemble.models[0].path
    conversion = Conversion(normalise, values, ensemble.temperature, subject)
    if facts.device == "cuda":
        return DeviceBackend(
            network, conversion, device=pick_device(device), precision=facts.precision, batch=facts.batch
        )
    shape = (facts.batch, len(ensemble.card.bands), patch, patch)
    try:
        score = checked(ENGINES[facts.engine](network, shape, facts.precision, lanes), shape, len(values), subject)
    except GeosegError:
        raise
    except Exception as error:  # engines raise what they like
        reason = (str(error).strip().splitlines() or [repr(error)])[-1][:300]
        cure = "check bands, patch size and stride in its card, or try --engine torch or --batch-size 1"
        raise ModelError(subject, f"cannot score patches of {patch} px on {facts.engine}: {reason}", cure) from error
    return CpuBackend(score, conversion, batch=facts.batch, lanes=lanes)


def default_lanes() -> int:
    """Patches computed side by side: one for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

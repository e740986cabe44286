"""From an ensemble to a backend that computes as decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from geoseg.errors import GeosegError, ModelError
from geoseg.limits import address_limit, bytes_held, cores, memory_fault
from geoseg.models.ensemble import Ensemble
from geoseg.models.facts import Conversion, EngineFacts, Normalise
from geoseg.models.foreign.trial import Limits
from geoseg.models.load import build_network
from geoseg.predict.backend import Backend
from geoseg.predict.cpu import CpuBackend
from geoseg.predict.cuda import DeviceBackend, pick_device
from geoseg.predict.engines import ENGINES, check_score, reason_of
from geoseg.predict.wrap import Wrapped

__all__ = ["Setup", "default_lanes", "make_backend"]

PATIENCE = 50
"""Times the warm-up batch's seconds that a later batch of a foreign graph may take."""
LANE = 1 << 30
"""Bytes of address space for a lane, where it is limited."""
SHORTEST_PATIENCE = 60.0
"""Seconds that it may take in any case: the machine may be busy."""


@dataclass(frozen=True)
class Setup:
    """The work of an engine: an ensemble on patches.

    `patch`: side in source pixels; `ratio`: network pixels per source pixel; `tta`: a key of `wrap.TTA`; `limits`: of
    the trial of foreign graphs, None where this run has tried them; `say`: hears what takes long.
    """

    ensemble: Ensemble
    patch: int
    ratio: Fraction
    tta: str
    limits: Limits | None = None
    say: Callable[[str], None] = lambda text: None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of one patch (1, C, P, P)."""
        return 1, len(self.ensemble.card.bands), self.patch, self.patch

    def network(self) -> Wrapped:
        """The members with resampling, augmentation and averaging around them."""
        cards = [m.card for m in self.ensemble.models]
        return Wrapped(
            [build_network(m, self.limits) for m in self.ensemble.models],
            [c.output == "probabilities" for c in cards],
            [c.temperature for c in cards],
            self.patch,
            self.ratio,
            self.tta,
            len(self.ensemble.classes),
            [c.aux for c in cards],
        ).eval()


def make_backend(
    ensemble: Ensemble, facts: EngineFacts, normalise: Normalise, patch: int, *, device: str, lanes: int
) -> Backend:
    """The backend that computes as the facts say, checked with one warm-up patch.

    Args:
        ensemble: the networks.
        facts: engine, device, precision and batch, decided once for the run.
        normalise: how pixels are standardised.
        patch: side in source pixels.
        device: `--device`; decides which GPU where the facts say CUDA.
        lanes: patches computed side by side on a CPU.

    Raises:
        ModelError: scores of a wrong shape, NaN, or a network that this engine cannot run.
    """
    network = Setup(ensemble, patch, Fraction(facts.ratio), facts.tta).network()
    values, subject = ensemble.classes.values, ensemble.models[0].path
    conversion = Conversion(normalise, values, ensemble.temperature, subject, len(ensemble.aux))
    if facts.device == "cuda":
        where = pick_device(device)
        return DeviceBackend(network, conversion, device=where, precision=facts.precision, batch=facts.batch)
    shape = (facts.batch, len(ensemble.card.bands), patch, patch)
    try:
        score = ENGINES[facts.engine](network, shape, facts.precision, lanes)
        seconds = check_score(score, shape, ensemble.scores, subject)
    except GeosegError:
        raise
    except Exception as error:  # engines raise what they like
        if fault := memory_fault(error):
            raise fault from error
        cure = "check bands, patch size and stride in its card, or try --engine torch or --batch-size 1"
        what = f"cannot score patches of {patch} px on {facts.engine}: {reason_of(error)}"
        raise ModelError(subject, what, cure) from error
    foreign = any(m.kind != "state" for m in ensemble.models)
    patience = max(SHORTEST_PATIENCE, PATIENCE * seconds) if foreign else None
    return CpuBackend(score, conversion, batch=facts.batch, lanes=lanes, patience=patience)


def default_lanes() -> int:
    """Patches to compute side by side: one for each core, or fewer where the address space is limited."""
    limit = address_limit()
    return cores() if limit is None else max(1, min(cores(), (limit - bytes_held()) // LANE))

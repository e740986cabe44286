"""geoseg model bench: the speed of a model on each engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from geoseg.models.files import ModelFile
from geoseg.models.load import build_network
from geoseg.predict.engines import ENGINES, available, supports_bf16
from geoseg.stages.exchange.plain import PlainNetwork, sample_patches

__all__ = ["EngineTime", "bench_model"]


@dataclass(frozen=True)
class EngineTime:
    """CPU seconds of one engine, for a patch and for a megapixel of the mosaic (overlap taken into account)."""

    engine: str
    precision: str
    per_patch: float
    per_megapixel: float


def bench_model(model: ModelFile, seconds: float = 3.0) -> list[EngineTime]:
    """CPU times of each installed engine on the card's own patches, with one thread; each runs for so many seconds.

    Raises:
        ModelError: the network cannot be built.
    """
    card, network = model.card, build_network(model)
    if not isinstance(network, torch.nn.Module):
        return []
    patches = sample_patches(card, 1)
    shape = (1, *patches.shape[1:])
    fresh = (card.patch - card.overlap) ** 2 / 1e6  # megapixels that each patch adds
    rows = []
    for engine in ENGINES:
        if not available(engine) or (engine != "torch" and model.kind not in ("state", "torchscript")):
            continue
        for precision in ("f32", "bf16") if supports_bf16(engine) else ("f32",):
            score = ENGINES[engine](PlainNetwork(network).eval(), shape, precision, 1)
            spent = _cpu_seconds(partial(score, patches), seconds)
            rows.append(EngineTime(engine, precision, round(spent, 4), round(spent / fresh, 4)))
    return rows


def _cpu_seconds(act: Callable[[], object], seconds: float) -> float:
    """Mean CPU seconds of an act that is repeated for so many seconds; the first time does not count."""
    act()
    start, begun, count = time.process_time(), time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        act()
        count += 1
    return (time.process_time() - start) / count

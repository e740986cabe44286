"""geoseg model bench: how fast each engine runs a model."""

from __future__ import annotations

import time
from typing import Any

import torch

from geoseg.models.files import ModelFile
from geoseg.models.network import build_network
from geoseg.predict.engines import ENGINES, available, supports_bf16
from geoseg.stages.exchange.export import _Plain, _sample_patches

__all__ = ["bench_model"]


def bench_model(model: ModelFile, seconds: float = 3.0) -> list[dict[str, Any]]:
    """CPU seconds per megapixel of each engine that is installed, one thread, on the card's own patches."""
    card = model.card
    patches = _sample_patches(card, 1)
    shape = (1, *patches.shape[1:])
    network = build_network(model)
    rows = []
    for engine in ENGINES:
        if not available(engine) or (engine != "torch" and model.kind not in ("state", "torchscript")):
            continue
        for precision in ("f32", "bf16"):
            if precision == "bf16" and not supports_bf16(engine):
                continue
            module = network if isinstance(network, torch.nn.Module) else None
            if module is None:
                continue
            score = ENGINES[engine](_Plain(module).eval(), shape, precision, 1)
            score(patches)
            start, begun, count = time.process_time(), time.monotonic(), 0
            while time.monotonic() - begun < seconds:
                score(patches)
                count += 1
            spent = (time.process_time() - start) / count
            fresh = (1 - card.overlap / card.patch) ** 2
            rows.append(
                {
                    "engine": engine,
                    "precision": precision,
                    "cpu_s_per_patch": round(spent, 4),
                    "cpu_s_per_megapixel": round(spent / (card.patch**2 * fresh / 1e6), 4),
                }
            )
    return rows

"""The card of a network under training: what its config says, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from geoseg.classes import ClassTable
from geoseg.learn.settings import TrainConfig
from geoseg.models.card import Card
from geoseg.networks import geometry_of

__all__ = ["card_of", "finished_card"]


def card_of(config: TrainConfig, table: ClassTable) -> Card:
    """What the network needs; patch and overlap as asked, or fitted to its receptive field.

    Raises:
        UsageError, ModelError: sizes or statistics that do not fit together.
    """
    model, geometry = config.model, geometry_of(config.model.network)
    step = 2 * geometry.stride
    patch = model.patch or (
        config.crop // step * step if geometry.patch_dependent else max(960, config.crop) // step * step
    )
    least = 2 * geometry.margin + step if geometry.margin else 0
    overlap = model.overlap if model.overlap is not None else max(least, patch // 4) // step * step
    low, high = model.gsd_range or (model.gsd * config.augment.scale[0], model.gsd * config.augment.scale[1])
    return Card(
        name=model.name or f"{model.network} {model.gsd * 100:g} cm",
        architecture=model.network,
        classes=table,
        bands=tuple(model.bands),
        mean=tuple(model.mean),
        std=tuple(model.std),
        gsd=model.gsd,
        gsd_range=(round(min(low, model.gsd), 4), round(max(high, model.gsd), 4)),
        arguments=dict(model.arguments),
        patch=patch,
        overlap=overlap,
        margin=geometry.margin,
        stride=geometry.stride,
        patch_dependent=geometry.patch_dependent,
        good_for=model.good_for,
        not_good_for=model.not_good_for,
        licence=model.licence,
    )


def finished_card(
    card: Card,
    config: TrainConfig,
    sets: dict[str, list[str]],
    history: Sequence[dict[str, Any]],
    temperature: float,
    steps: int,
) -> Card:
    """The card with what training did and scored."""
    scored = [h for h in history if h.get("mean_iou") is not None]
    best = max(scored, key=lambda h: h["mean_iou"], default=None)
    metrics: dict[str, Any] = {}
    if best is not None:
        metrics = {
            "protocol": (
                f"validation sets ({', '.join(sets.get('validation', []))}) while training, the averaged weights of step {best['step']}, all pixels, "
                f"classes with truth averaged, patches of {card.patch} px with overlap {card.overlap}, no TTA; the step was chosen on these sets"
            ),
            **{k: (round(v, 4) if isinstance(v, float) else v) for k, v in best.items() if k not in ("step", "loss")},
        }
    stages = "; ".join(
        f"{s.steps} steps at {s.rate:g}" + (f" with {', '.join(s.freeze)} frozen" if s.freeze else "")
        for s in config.stages
    )
    start = "from scratch"
    if config.model.backbone_weights is not None:
        start = f"backbone from {Path(config.model.backbone_weights).name}"
    if config.model.init is not None:
        start = f"from {config.model.init.name}"
    training = (
        f"{steps} steps of {config.batch * config.accumulate} crops of {config.crop} px ({stages}), {start}, "
        f"on {', '.join(sets.get('train', []))}; {config.loss.kind}, {config.optimiser}, seed {config.seed}"
    )
    return replace(card, temperature=temperature, metrics=metrics, training=training)

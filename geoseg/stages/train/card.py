"""The card of a network in training: from its config, then with the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.learn.checkpoint import Row
from geoseg.learn.settings import TrainConfig
from geoseg.models.card import Card
from geoseg.models.files import load_model
from geoseg.networks import geometry_of
from geoseg.weights import model_path

__all__ = ["card_of", "finished_card"]


def card_of(config: TrainConfig, table: ClassTable) -> Card:
    """The card of the network of a config; patch and overlap as given there, or fitted to its receptive field.

    Raises:
        ModelError: sizes or statistics that do not fit together.
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
        aux=tuple(model.aux),
        arguments=dict(model.arguments),
        dtype=model.dtype,
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
    history: Sequence[Row],
    temperature: float,
    steps: int,
) -> Card:
    """The card with the course and the scores of training.

    Args:
        card: from the config.
        config: the whole run.
        sets: names of the data sets of each split.
        history: all validations.
        temperature: of the softmax.
        steps: taken in all.
    """
    metrics = _best_scores(card, sets.get("validation", []), history)
    stages = "; ".join(
        f"{s.steps} steps at {s.rate:g}" + (f" with {', '.join(s.freeze)} frozen" if s.freeze else "")
        for s in config.stages
    )
    start = "from scratch"
    if config.model.backbone_weights is not None:
        start = f"backbone from {Path(config.model.backbone_weights).name}"
    if config.model.init is not None:
        start = f"from {Path(config.model.init).name}"
    training = (
        f"{steps} steps of {config.batch * config.accumulate} crops of {config.crop} px ({stages}), {start}, "
        f"on {', '.join(sets.get('train', []))}; {config.loss.kind}, {config.optimiser}, seed {config.seed}"
    )
    return replace(card, temperature=temperature, metrics=metrics, training=training, parent=_parent(config))


def _parent(config: TrainConfig) -> str:
    """Name and SHA-256 of the network whose weights training began with; "" where it has no card of geoseg's."""
    source = config.model.init
    if source is None or source == "torchvision":
        return ""
    path = model_path(source)
    if path.suffix in (".pth", ".pt") and not path.with_suffix(".json").is_file():
        return ""
    found = load_model(path)
    return f"{found.card.name}, SHA-256 {found.sha256}"


def _best_scores(card: Card, names: list[str], history: Sequence[Row]) -> Json:
    """The scores of the best validation, with their protocol; empty without any."""
    scored = [(score, row) for row in history if (score := row.get("mean_iou")) is not None]
    if not scored:
        return {}
    _, best = max(scored, key=lambda pair: pair[0])
    protocol = (
        f"validation sets ({', '.join(names)}) while training, the averaged weights of step {best['step']}, "
        f"all pixels, classes with truth averaged, patches of {card.patch} px with overlap {card.overlap}, "
        "no TTA; the step was chosen on these sets"
    )
    scores = {k: (round(v, 4) if isinstance(v, float) else v) for k, v in best.items() if k not in ("step", "loss")}
    return {"protocol": protocol, **scores}

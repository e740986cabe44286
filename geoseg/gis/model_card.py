"""A model's card for people (Markdown) and for catalogues (STAC machine-learning model extension)."""

from __future__ import annotations

from collections.abc import Mapping

from geoseg.arrays import Json
from geoseg.models.card import AUX, Card
from geoseg.models.mlm import OWN

__all__ = ["markdown_card", "mlm_item"]

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"


def markdown_card(card: Card, sha256: str) -> str:
    """The card as Markdown: use, input, classes, training, scores with their protocol, licence.

    Args:
        card: the model's card.
        sha256: of the weights.
    """
    low, high = card.gsd_range
    exact = "no: scores hang on the patch size" if card.patch_dependent else "yes: finite receptive field"
    lines = [
        f"# {card.name}",
        "",
        f"**Good for:** {_stated(card.good_for)}",
        "",
        f"**Not good for:** {_stated(card.not_good_for)}",
        "",
        "## Input",
        "",
        f"- bands: {', '.join(card.bands)} ({card.dtype})",
        f"- pixel size: {card.gsd:g} m on the ground; takes {low:g} to {high:g} m",
        f"- scaling: mean {_numbers(card.mean)}, deviation {_numbers(card.std)} per band",
        f"- patches: {card.patch} px, overlap {card.overlap} px, margin {card.margin} px; tiled equals whole: {exact}",
        "",
        "## Classes",
        "",
        "| value | name | role | colour |",
        "| --- | --- | --- | --- |",
        *(f"| {c.value} | {c.name} | {c.role} | `{c.hex}` |" for c in card.classes.classes),
        *_beside(card),
        *("", "## Training", "", _stated(card.training), *_parent(card), "", "## Scores", "", *_scores(card.metrics)),
        *("", f"Confidence is calibrated with temperature {card.temperature:g}.", ""),
        *("## Licence", "", _stated(card.licence), "", f"Weights SHA-256: `{sha256}`", ""),
    ]
    return "\n".join(lines)


def _beside(card: Card) -> list[str]:
    """The scores beside the classes."""
    return ["", *(f"Also a score `{name}`: {AUX[name]}." for name in card.aux)] if card.aux else []


def _parent(card: Card) -> list[str]:
    """The network that it began as."""
    return ["", f"Began as: {card.parent}"] if card.parent else []


def _stated(text: str) -> str:
    return text or "not said"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{v:g}" for v in values)


def _scores(metrics: Mapping[str, object], depth: int = 0) -> list[str]:
    """Scores as a nested list; confusion matrices are left out."""
    if not metrics:
        return ["none stated"]
    lines = []
    for name, value in metrics.items():
        if name == "confusion":
            continue
        if isinstance(value, dict):
            lines += [f"{'  ' * depth}- **{name}**", *_scores(value, depth + 1)]
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else value
            lines.append(f"{'  ' * depth}- {name.replace('_', ' ')}: {shown}")
    return lines


def mlm_item(card: Card, sha256: str, href: str, created: str) -> Json:
    """A STAC 1.1 item of the MLM extension: the whole Earth as its place, one asset with the weights.

    Args:
        card: the model's card.
        sha256: of the weights.
        href: where the weights are.
        created: date and time (RFC 3339).
    """
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, CLASSIFICATION],
        "id": "".join(c if c.isalnum() else "-" for c in card.name).strip("-").lower(),
        "geometry": {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]},
        "bbox": [-180, -90, 180, 90],
        "properties": {
            "datetime": created,
            "description": card.good_for or card.name,
            "license": "other",
            "mlm:name": card.name,
            "mlm:architecture": card.architecture,
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:framework": "pytorch",
            "mlm:input": [_input(card)],
            "mlm:output": [_output(card)],
            "mlm:hyperparameters": {
                "overlap": card.overlap,
                "margin": card.margin,
                "gsd_m": card.gsd,
                "temperature": card.temperature,
            },
            OWN: card.to_json(),
        },
        "links": [],
        "assets": {
            "weights": {
                "href": href,
                "type": "application/octet-stream; application=safetensors",
                "roles": ["mlm:model", "mlm:weights", "data"],
                "mlm:artifact_type": "safetensors",
                "file:checksum": "1220" + sha256,
            }
        },
    }


def _input(card: Card) -> Json:
    """The network's input: patches, standardised band by band."""
    scaling = [{"type": "z-score", "mean": m, "stddev": s} for m, s in zip(card.mean, card.std, strict=True)]
    return {
        "name": "patches",
        "bands": list(card.bands),
        "input": {
            "shape": [-1, len(card.bands), card.patch, card.patch],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": scaling,
        "resize_type": None,
        "pre_processing_function": None,
    }


def _output(card: Card) -> Json:
    """The network's output: a score for each class at each pixel."""
    classes = [
        {"value": c.value, "name": c.slug, "description": c.name, "color_hint": c.code_hex[1:].upper()}
        for c in card.classes.classes
    ]
    return {
        "name": "scores",
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [-1, card.scores, card.patch, card.patch],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": classes,
        "post_processing_function": None,
    }

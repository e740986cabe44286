"""A model's card for people (Markdown) and for catalogues (STAC machine-learning model extension)."""

from __future__ import annotations

from typing import Any

from geoseg.models.card import Card

__all__ = ["markdown_card", "mlm_item"]

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"


def _said(text: str) -> str:
    return text or "not said"


def markdown_card(card: Card, sha256: str) -> str:
    """The card as Markdown: use, input, training, scores with their protocol, licence."""
    low, high = card.gsd_range
    lines = [f"# {card.name}", ""]
    lines += [f"**Good for:** {_said(card.good_for)}", "", f"**Not good for:** {_said(card.not_good_for)}", ""]
    lines += ["## Input", ""]
    lines += [
        f"- bands: {', '.join(card.bands)} ({card.dtype})",
        f"- pixel size: {card.gsd:g} m on the ground; takes {low:g} to {high:g} m",
    ]
    lines += [f"- scaling: mean {_numbers(card.mean)}, deviation {_numbers(card.std)} per band"]
    exact = "no: scores hang on the patch size" if card.patch_dependent else "yes: finite receptive field"
    lines += [
        f"- patches: {card.patch} px, overlap {card.overlap} px, margin {card.margin} px; tiled equals whole: {exact}",
        "",
    ]
    lines += ["## Classes", "", "| value | name | role | colour |", "| --- | --- | --- | --- |"]
    lines += [f"| {c.value} | {c.name} | {c.role} | `{c.hex}` |" for c in card.classes.classes]
    lines += ["", "## Training", "", _said(card.training), "", "## Scores", ""]
    lines += _scores(card.metrics)
    lines += ["", f"Confidence is calibrated with temperature {card.temperature:g}.", ""]
    lines += ["## Licence", "", _said(card.licence), "", f"Weights SHA-256: `{sha256}`", ""]
    return "\n".join(lines)


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{v:g}" for v in values)


def _scores(metrics: dict[str, Any], depth: int = 0) -> list[str]:
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


def mlm_item(card: Card, sha256: str, href: str, created: str) -> dict[str, Any]:
    """A STAC 1.1 item of the MLM extension: whole Earth, one asset with the weights."""
    side = card.patch
    classes = [
        {"value": c.value, "name": c.slug, "description": c.name, "color_hint": c.hex[1:].upper()}
        for c in card.classes.classes
    ]
    scaling = [{"type": "z-score", "mean": m, "stddev": s} for m, s in zip(card.mean, card.std, strict=True)]
    source = {
        "name": "patches",
        "bands": list(card.bands),
        "input": {
            "shape": [-1, len(card.bands), side, side],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": scaling,
        "resize_type": None,
        "pre_processing_function": None,
    }
    result = {
        "name": "scores",
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [-1, len(card.classes), side, side],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": classes,
        "post_processing_function": None,
    }
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
            "mlm:input": [source],
            "mlm:output": [result],
            "mlm:hyperparameters": {
                "overlap": card.overlap,
                "margin": card.margin,
                "gsd_m": card.gsd,
                "temperature": card.temperature,
            },
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

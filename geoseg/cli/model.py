"""geoseg model."""

from __future__ import annotations

import json
from pathlib import Path

import click

from geoseg.cli.common import table


@click.group("model")
def command() -> None:
    """Look at a model file."""


@command.command("info")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The whole card as JSON.")
def info(file: Path | None, as_json: bool) -> None:
    """Print the card of a model FILE [default: the shipped network]."""
    from geoseg.io.model_file import load_model, shipped_model

    model = load_model(file or shipped_model())
    card = model.card
    if as_json:
        click.echo(json.dumps({**card.to_json(), "sha256": model.sha256}, indent=1))
        return
    rows = [
        ("name", card.name),
        ("architecture", f"{card.architecture} ({model.kind})"),
        ("bands", ", ".join(card.bands) + f", {card.dtype}"),
        ("GSD", f"{card.gsd:g} m; takes {card.gsd_range[0]:g} to {card.gsd_range[1]:g} m"),
        ("patch", f"{card.patch} px, overlap {card.overlap}, margin {card.margin}, multiples of {card.stride}"),
        (
            "tiled = whole",
            "no: output depends on the patch size" if card.patch_dependent else "yes: finite receptive field",
        ),
        ("good for", card.good_for or "not said"),
        ("not good for", card.not_good_for or "not said"),
        ("training", card.training or "not said"),
        ("licence", card.licence or "not said"),
        ("SHA-256", model.sha256),
    ]
    click.echo(table(rows))
    click.echo("classes:")
    click.echo(table([(f"{c.value} {c.name}", f"{c.hex} {c.role}") for c in card.classes.classes]))
    if card.metrics:
        click.echo("metrics:")
        for name, value in card.metrics.items():
            if name != "confusion":
                click.echo(f"  {name}: {value}")

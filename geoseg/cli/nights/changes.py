"""geoseg changes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from geoseg.cli.common import FILE, options_of
from geoseg.cli.groups import Command, option
from geoseg.options import ChangesOptions
from geoseg.request import stage_options


@click.command("changes", cls=Command)
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@option("-o", "--out", type=FILE, required=True, help="The GeoPackage to write; a page (.html) goes beside it.")
@options_of(ChangesOptions)
@option("--json", "as_json", is_flag=True, help="Print counts and the matrix of land cover as JSON.")
def command(old: Path, new: Path, out: Path, as_json: bool, **values: object) -> None:
    """What was added, removed and changed from OLD to NEW: run folders, or folders of published nights.

    \b
    geoseg changes run/out/2026-11-21 run/out/2026-11-22 -o changes.gpkg
    geoseg changes spring/ autumn/ -o changes.gpkg --tolerance 1
    """
    from geoseg.stages.changes import compare

    found = compare(old, new, out, stage_options(ChangesOptions, values))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    for line in found.said():
        click.echo(line)
    for kind, area in zip(found.land_cover.balance["kind"], found.land_cover.balance["area_m2"], strict=True):
        click.echo(f"land cover, {kind}: {area:,.1f} m2")
    click.echo(f"wrote {found.out}")

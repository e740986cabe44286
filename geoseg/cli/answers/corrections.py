"""geoseg corrections."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from geoseg.cli.common import FILE, table
from geoseg.cli.groups import Command, option


@click.command("corrections", cls=Command)
@click.argument("run", type=FILE)
@click.argument("edited", required=False, type=FILE)
@option("-o", "--out", type=FILE, required=True, help="Folder of the training set to make.")
@option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def command(run: Path, edited: Path | None, out: Path, as_json: bool) -> None:
    """Make a training set of what you wrote into a map: verdicts, and polygons added, moved, deleted, reclassified.

    EDITED is NAME.gpkg of RUN or a copy of it [default: the run's own]. All that was said of this run before counts
    too; what nobody has said is not known.

    \b
    geoseg corrections run/ -o set/
    geoseg corrections run/ edited.gpkg -o set/
    """
    from geoseg.stages.corrections import corrections

    found = corrections(run, edited, out)
    if as_json:
        click.echo(json.dumps({**asdict(found), "out": str(found.out)}, indent=1))
        return
    click.echo(table([(f"answers, {kind}", str(many)) for kind, many in found.answers.items()]))
    click.echo(table([(said, f"{many:,} px") for said, many in found.pixels.items()]))
    if found.withdrawn:
        click.echo(f"{found.withdrawn} earlier answers are no more in this file, and were withdrawn")
    if not found.compared:
        click.echo("geoseg: warning: no original of this map is kept, so only its verdicts were taken", err=True)
    click.echo(f"wrote {found.crops} crops to {found.out}; next: geoseg train configs/corrections.yaml")

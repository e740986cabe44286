"""geoseg prune: remove old nights."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg import parse
from geoseg.cli.common import FILE, Read
from geoseg.cli.groups import Command, option


@click.command("prune", cls=Command)
@click.argument("run", type=FILE)
@option(
    "--keep", type=click.IntRange(1), default=7, show_default=True, help="Newest nights that stay whatever their age."
)
@option(
    "--younger-than",
    "age",
    type=Read(parse.age),
    default="14d",
    show_default=True,
    help="Nights younger than this stay too.",
)
@option("--dry-run", is_flag=True, help="Only say what would go.")
def command(run: Path, keep: int, age: float, dry_run: bool) -> int:
    """Remove old published nights of a RUN (out/DATE).

    The night that `latest` names and the one before it always stay: readers on shared storage cannot be seen.

    \b
    geoseg prune run/ --dry-run
    geoseg prune run/ --keep 30 --younger-than 8w
    """
    from geoseg.night.publish import prune
    from geoseg.runfolder.folder import Run

    _ = Run(run).plan  # an error where there is none
    gone = prune(Run(run), keep, age, dry_run=dry_run)
    for folder in gone:
        click.echo(f"{'would remove' if dry_run else 'removed'} {folder}")
    if not gone:
        click.echo("nothing to remove")
    return 0

"""geoseg view."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("view")
@click.argument("what", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The PNG to write.")
@click.option(
    "--size", type=click.IntRange(min=64), default=900, show_default=True, help="Longest side of each part, in pixels."
)
def command(what: Path, out: Path, size: int) -> None:
    """A quick look, with legend: WHAT is a run folder (photo, classes, features) or a class raster."""
    from geoseg.stages.view import view_raster, view_run

    click.echo(view_run(what, out, size) if what.is_dir() else view_raster(what, out, size))

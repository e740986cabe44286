"""geoseg view: a picture or a web page of a run."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.common import FILE
from geoseg.cli.groups import Command, option


@click.command("view", cls=Command)
@click.argument("what", type=FILE)
@option(
    "-o",
    "--out",
    type=FILE,
    help="The PNG to write; with --web the HTML page [default: RUN/out/map.png, RUN/out/map.html].",
)
@option("--web", is_flag=True, help="One page for the browser: photo, classes and layers; pan, zoom, switch, click.")
@option(
    "--size",
    type=click.IntRange(min=64),
    help="Longest side in pixels, of each part of the picture or of the page's photo [default: 900; --web 4096].",
)
def command(what: Path, out: Path | None, web: bool, size: int | None) -> None:
    """A quick look, with legend: WHAT is a run folder (photo, classes, features) or a class raster.

    \b
    geoseg view run/
    geoseg view classes.tif -o map.png
    geoseg view run/ --web
    """  # noqa: D301 - click's own mark
    from geoseg.stages.look.view import view

    click.echo(view(what, out, size=size, web=web))

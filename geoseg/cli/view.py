"""geoseg view: a picture or a web map of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from geoseg.cli.common import FILE, steps_shown
from geoseg.cli.groups import Command, option

if TYPE_CHECKING:
    from geoseg.progress import Progress
    from geoseg.stages.look.web import WebMap


@click.command("view", cls=Command)
@click.argument("what", type=FILE)
@option(
    "-o",
    "--out",
    type=FILE,
    help="The PNG to write; with --web the page, or a folder [default: RUN/out/map.png, with --web map.html or map].",
)
@option("--web", is_flag=True, help="A map for the browser: photo, classes and layers; one file, if it is small.")
@option("--serve", is_flag=True, help="Make the web map where there is none, and serve it to this machine alone.")
@option("--port", type=click.IntRange(0, 65_535), help="With --serve: the port; 0 for any [default: 8321].")
@option("--size", type=click.IntRange(min=64), help="Longest side of each part of a picture, pixels [default: 900].")
@click.pass_context
def command(
    ctx: click.Context, what: Path, out: Path | None, web: bool, serve: bool, port: int | None, size: int | None
) -> None:
    """A quick look, with legend: WHAT is a run folder (photo, classes, features) or a class raster.

    \b
    geoseg view run/
    geoseg view classes.tif -o map.png
    geoseg view run/ --web
    geoseg view run/ --serve
    """
    from geoseg.stages.look.view import check_web, view

    if not (web or serve):
        click.echo(view(what, out, size=size))
        return
    check_web(what, size)
    with steps_shown(ctx.obj["quiet"]) as shown:
        if serve:
            _serve(what, out, port, shown.hear)
            return
        from geoseg.stages.look.web import web_map

        made = web_map(what, out, hear=shown.hear)
    _echo(what, out, made)


def _echo(what: Path, out: Path | None, made: WebMap) -> None:
    for note in made.notes:
        click.echo(f"geoseg: warning: {note}", err=True)
    click.echo(made.page)
    if made.folder is not None:
        from geoseg.stages.look.web_facts import serve_command

        click.echo(f"it needs a web server that knows ranges; for this machine: {serve_command(what, out)}")


def _serve(what: Path, out: Path | None, port: int | None, hear: Progress) -> None:
    from geoseg.gis.web_map.server import PORT
    from geoseg.stages.look.serve import server_of

    try:
        with server_of(what, out, PORT if port is None else port, hear) as server:
            click.echo(f"{server.address} shows the map on this machine; Ctrl-C ends it")
            server.serve_forever()
    except KeyboardInterrupt:
        click.echo("")

"""geoseg view: a picture or a web page of a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("view")
@click.argument("what", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="The PNG to write; with --web the HTML page [default: RUN/out/map.html].",
)
@click.option(
    "--web", is_flag=True, help="One page for the browser: photo, classes and layers; pan, zoom, switch, click."
)
@click.option(
    "--size",
    type=click.IntRange(min=64),
    help="Longest side in pixels, of each part of the picture or of the page's photo [default: 900; --web 4096].",
)
def command(what: Path, out: Path | None, web: bool, size: int | None) -> None:
    """A quick look, with legend: WHAT is a run folder (photo, classes, features) or a class raster."""
    from geoseg.errors import UsageError
    from geoseg.stages.look.view import view_raster, view_run

    if web:
        from geoseg.stages.look.web import SIDE, web_map

        if not what.is_dir():
            raise UsageError(what, "is no run folder", "--web shows whole runs; leave it out for a raster")
        click.echo(web_map(what, out or what / "out" / "map.html", size or SIDE))
        return
    if out is None:
        raise UsageError("--out", "no picture named", "add -o PICTURE.png, or --web")
    click.echo(view_run(what, out, size or 900) if what.is_dir() else view_raster(what, out, size or 900))

"""geoseg sample."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, Unpack

import click

from geoseg import parse
from geoseg.cli.common import FILE, Read, steps_shown
from geoseg.cli.groups import Command, option


class Given(TypedDict):
    """The options of `geoseg sample`, as they are given."""

    seed: int
    size: tuple[int, int]
    gsd: float
    sheets: tuple[int, int]
    overlap: int
    quarter: str | None
    ragged: bool
    nir: bool
    height: bool


@click.command("sample", cls=Command)
@option("-o", "--out", required=True, type=FILE, help="Folder to write into.")
@option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same scene.")
@option(
    "--size",
    type=Read(parse.numbers("--size", int, 2)),
    default=(1296, 1296),
    metavar="W,H",
    written="1296,1296",
    help="Width,height of the scene in pixels.",
)
@option("--gsd", type=click.FloatRange(0.01, 2.0), default=0.1, show_default=True, help="Pixel size in metres.")
@option(
    "--sheets",
    type=Read(parse.numbers("--sheets", int, 2)),
    default=(2, 2),
    metavar="ROWS,COLS",
    written="2,2",
    help="Rows,columns of sheets to cut it into.",
)
@option(
    "--overlap", type=click.IntRange(0), default=144, show_default=True, help="Pixels that neighbouring sheets share."
)
@option(
    "--quarter", type=click.Choice(["suburb", "dense", "commercial", "park"]), help="Kind of town [default: suburb]."
)
@option("--ragged/--no-ragged", default=True, show_default=True, help="Give the last sheet an irregular no-data edge.")
@option("--nir", is_flag=True, help="Four bands: red, green, blue, near infrared.")
@option("--height", is_flag=True, help="Also write height over the ground.")
@click.pass_context
def command(ctx: click.Context, out: Path, **given: Unpack[Given]) -> None:
    """Make a procedural, Potsdam-like scene with exact labels and truth polygons.

    Writes sheets/ (orthophotos named the Potsdam way, EPSG:25833), labels/ (ISPRS colours), classes/ (class values),
    truth.gpkg (polygons) and sample.json (the command that makes it again).

    \b
    geoseg sample -o sample/
    geoseg sample -o sample/ --seed 3 --size 2000,1500 --sheets 2,3 --nir
    """
    from geoseg.stages.sample import SampleOptions, make_sample

    with steps_shown(ctx.obj["quiet"]) as shown:
        paths = make_sample(out, SampleOptions(**given), shown.hear)
    for path in paths:
        click.echo(f"wrote {path}")
    click.echo(f"wrote {out / 'truth.gpkg'}; next: geoseg tile {out / 'sheets'} -o run")

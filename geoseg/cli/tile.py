"""geoseg tile."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.common import FILE, echo_tile, options_of
from geoseg.cli.groups import Command, option
from geoseg.options import TileOptions
from geoseg.request import stage_options


@click.command("tile", cls=Command)
@click.argument("sheets", nargs=-1, required=True, type=FILE)
@option("-o", "--out", "run", required=True, type=FILE, help="Run folder.")
@options_of(TileOptions)
@option("--write-patches", is_flag=True, help="Also write every patch as a GeoTIFF, for training or other tools.")
@option(
    "--labels",
    type=FILE,
    help="With --write-patches: folder of label rasters, one for each sheet.",
)
def command(sheets: tuple[Path, ...], run: Path, write_patches: bool, labels: Path | None, **values: object) -> int:
    """Put SHEETS (files or folders) on one grid and plan overlapping patches.

    Writes plan.json and patches.gpkg into the run folder. The plan holds exactly the sheets that you name. A run that
    has a plan keeps its grid and lattice when sheets are added. Sheets that cannot be used are quarantined: each is
    named with the reason and a cure, and the exit code is 3.

    \b
    geoseg tile sheets/ -o run/
    geoseg tile sheets/ -o run/ --model potsdam.safetensors
    geoseg tile sheets/*.tif -o run/ --aoi city.gpkg --nodata 255~12
    """
    from geoseg.runfolder.folder import Run
    from geoseg.stages.tile import tile

    if labels is not None and not write_patches:
        raise click.UsageError("--labels needs --write-patches")
    report = tile(sheets, run, stage_options(TileOptions, values))
    echo_tile(report)
    if write_patches:
        from geoseg.stages.tile.patches import write_patches as write

        images, masks = write(run, labels)
        also = f" and {masks} label patches" if labels else ""
        click.echo(f"wrote {images} patches{also} to {run / 'patches'}")
    place = Run(run)
    click.echo(f"wrote {place.plan_json} and {place.patches_gpkg}; next: geoseg infer {run}")
    return 3 if report.plan.quarantined else 0

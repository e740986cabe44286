"""geoseg tile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli.common import Numbers, table


def tile_options(command: Any) -> Any:
    """Options that `tile` and `run` share."""
    for option in reversed(
        [
            click.option("--patch-size", type=int, help="Patch side in pixels of the sheets [default: the network's]."),
            click.option(
                "--overlap", help="Overlap of patches, in pixels or per cent (128, 25%) [default: the network's]."
            ),
            click.option("--block-size", type=int, help="Side of an output block in pixels [default: 4096]."),
            click.option(
                "--bands",
                type=Numbers(int),
                default=(),
                help="Bands to use, counted from 1, in the network's order: 1,2,3.",
            ),
            click.option(
                "--nodata",
                default="",
                metavar="VALUE[~TOLERANCE][,VALUE..]",
                help="Values that mean no data, in all bands: 255~12.",
            ),
            click.option("--crs", default="", help="CRS of the grid, and of sheets that have none: EPSG:25833."),
            click.option(
                "--gsd",
                type=click.FloatRange(0, min_open=True),
                help="Pixel size of the grid in metres on the ground [default: the majority's].",
            ),
            click.option(
                "--anchor",
                type=Numbers(float, 2),
                help="Where the grid begins, x,y in its CRS, moved to the nearest corner of a pixel [default: upper left of the first sheets].",
            ),
            click.option(
                "--bbox", type=Numbers(float, 4), help="Only this area: left,bottom,right,top in the grid's CRS."
            ),
            click.option("--aoi", type=click.Path(path_type=Path), help="Only the polygons of this vector file."),
            click.option("--strict", is_flag=True, help="Fail on the first sheet that cannot be used."),
        ]
    ):
        command = option(command)
    return command


def made_options(values: dict[str, Any], *, overwrite: bool = False, retry_failed: bool = False) -> Any:
    """`TileOptions` from click's values."""
    from geoseg.stages.tile.tile import TileOptions, parse_nodata

    names = ("patch_size", "overlap", "block_size", "bands", "crs", "gsd", "anchor", "bbox", "aoi", "strict")
    return TileOptions(
        **{n: values[n] for n in names},
        nodata=parse_nodata(values["nodata"]),
        overwrite=overwrite,
        retry_failed=retry_failed,
    )


def echo_plan(report: Any) -> None:
    """The table at the end of `tile`, warnings and quarantined sheets."""
    plan = report.plan
    rows = [
        ("sheets", f"{len(plan.sheets)}" + (f" ({len(plan.quarantined)} quarantined)" if plan.quarantined else "")),
        ("GSD", f"{plan.gsd * 100:.2f} cm on the ground"),
        ("size", f"{report.megapixels:,.1f} Mpx"),
        (
            "patches",
            f"{report.patches:,} of {plan.lattice.patch} px, overlap {plan.lattice.overlap} px"
            + ("" if plan.asked_lattice else " (a network's own may differ)"),
        ),
        ("blocks", f"{report.blocks:,} of {plan.block} px"),
        ("disk", f"about {report.disk / 1e9:.2f} GB for blocks and outputs"),
        ("memory", f"about {report.memory / 1e9:.1f} GB with a small network (infer --max-ram bounds it)"),
    ]
    click.echo(table(rows))
    for warning in report.warnings:
        click.echo(f"geoseg: warning: {warning}", err=True)
    echo_quarantined(plan)


def echo_quarantined(plan: Any) -> None:
    """One line for each sheet that was left out."""
    for q in plan.quarantined:
        click.echo(f"geoseg: error: {q.path}: {q.reason} ({q.cure})", err=True)


@click.command("tile")
@click.argument("sheets", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", "run", required=True, type=click.Path(path_type=Path), help="Run folder.")
@tile_options
@click.option("--write-patches", is_flag=True, help="Also write every patch as a GeoTIFF, for training or other tools.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="With --write-patches: folder of label rasters, one for each sheet.",
)
@click.option("--overwrite", is_flag=True, help="Forget an earlier plan of this run folder.")
def command(
    sheets: tuple[Path, ...], run: Path, write_patches: bool, labels: Path | None, overwrite: bool, **values: Any
) -> int:
    """Put SHEETS (files or folders) on one grid and plan overlapping patches.

    Writes plan.json and patches.gpkg into the run folder. The plan holds exactly the sheets named; a run that has a plan keeps its
    grid and lattice when sheets are added. Sheets that cannot be used are quarantined with reason and cure (exit code 3).
    """
    from geoseg.stages.tile.tile import tile

    if labels is not None and not write_patches:
        raise click.UsageError("--labels needs --write-patches")
    report = tile(sheets, run, made_options(values, overwrite=overwrite))
    echo_plan(report)
    if write_patches:
        from geoseg.stages.tile.patches import write_patches as write

        images, masks = write(run, labels)
        click.echo(
            f"wrote {images} patches" + (f" and {masks} label patches" if labels else "") + f" to {run / 'patches'}"
        )
    click.echo(f"wrote {run / 'plan.json'} and {run / 'patches.gpkg'}; next: geoseg infer {run}")
    return 3 if report.plan.quarantined else 0

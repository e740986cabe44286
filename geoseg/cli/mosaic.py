"""geoseg mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli.common import one_way_to_share, table, worker_options


def mosaic_options(command: Any) -> Any:
    """Options that `mosaic` and `run` share."""
    for option in reversed(
        [
            click.option("--name", default="", help="Start of the output names [default: the run folder's name]."),
            click.option(
                "--min-area",
                type=click.FloatRange(0),
                help="Smallest polygon in square metres [default: by class, 1 to 4].",
            ),
            click.option(
                "--sheets/--no-sheets", "sheet_rasters", default=True, help="One class raster for each sheet."
            ),
            click.option(
                "--vectors/--no-vectors", default=True, help="Land cover, buildings, trees, cars as polygons."
            ),
            click.option(
                "--simplify",
                type=click.FloatRange(0),
                default=0.3,
                show_default=True,
                help="Metres that outlines of the land cover may move.",
            ),
            click.option(
                "--smooth",
                type=click.FloatRange(0),
                default=0.0,
                help="Metres by which class shares are blurred before the vectors are made; needs infer --probabilities.",
            ),
            click.option("--square/--no-square", default=True, help="Right angles for buildings."),
            click.option(
                "--layers",
                default="",
                metavar="A,B",
                help="Only these layers: landcover, buildings, roads, trees, cars [default: all].",
            ),
            click.option(
                "--vector-format",
                default="",
                metavar="A,B",
                help="Also these formats, one file for each layer: fgb, geojson, parquet, pmtiles.",
            ),
            click.option("--exact", is_flag=True, help="Also every class's exact pixel outlines, in NAME_exact.gpkg."),
        ]
    ):
        command = option(command)
    return command


def made_options(values: dict[str, Any], *, overwrite: bool = False) -> Any:
    """`MosaicOptions` from click's values."""
    from geoseg.stages.mosaic.mosaic import MosaicOptions, layer_groups

    return MosaicOptions(
        values["name"],
        values["min_area"],
        values["sheet_rasters"],
        values["vectors"],
        overwrite,
        values["simplify"],
        values["exact"],
        values["square"],
        layer_groups(values["layers"].split(",") if values["layers"] else []),
        tuple(n.strip() for n in values["vector_format"].split(",") if n.strip()),
        values["smooth"],
    )


def echo_report(report: Any) -> None:
    """Areas, features and files."""
    if report.skipped:
        click.echo(f"nothing to do: {report.out} is up to date")
        return
    whole = sum(report.areas.values()) or 1
    rows = [(name, f"{area:>14,.1f} m2  {100 * area / whole:5.1f} %") for name, area in report.areas.items()]
    click.echo(table(rows))
    if report.features:
        click.echo("features: " + ", ".join(f"{n} {name}" for name, n in report.features.items()))
    for path in report.files:
        if path.suffix in (".tif", ".gpkg") and path.parent.name != "sheets":
            click.echo(f"wrote {path}")


@click.command("mosaic")
@click.argument("run", type=click.Path(path_type=Path))
@mosaic_options
@worker_options
@click.option("--overwrite", is_flag=True, help="Write everything again.")
def command(run: Path, overwrite: bool, **values: Any) -> int:
    """Stitch the blocks of a RUN folder into class rasters and polygons.

    Writes into RUN/out: NAME_classes.tif and NAME_confidence.tif (cloud-optimised, styled), sheets/*_classes.tif (one for each
    sheet) and NAME.gpkg (landcover, buildings, roads, road_centrelines, trees, tree_points, cars; styled), NAME.qgz (QGIS project),
    NAME.stac.json and report.html. RUN/run.json is written last.
    """
    from geoseg.plan import load_plan
    from geoseg.sheets.decoder import decoder
    from geoseg.stages.mosaic.mosaic import mosaic
    from geoseg.work.dask import executor

    one_way_to_share(values)
    decoder().patience = values["read_timeout"]
    with executor(values["workers"], values["scheduler"]) as who:
        report = mosaic(run, made_options(values, overwrite=overwrite), executor=who)
    echo_report(report)
    return 3 if load_plan(run).quarantined else 0

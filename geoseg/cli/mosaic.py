"""geoseg mosaic."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from geoseg.cli.common import FILE, echo_mosaic, options_of, steps_shown
from geoseg.cli.groups import Command, option
from geoseg.options import MosaicOptions, WorkOptions
from geoseg.request import split


@click.command("mosaic", cls=Command)
@click.argument("run", required=False, type=FILE)
@option("--from", "raster", type=FILE, help="Anybody's class raster instead of a RUN.")
@option("--confidence", type=FILE, help="With --from: confidence in per cent.")
@option(
    "--classes",
    default="",
    help="With --from: isprs, voc, cityscapes or a JSON file of rows [default: what the raster says of itself].",
)
@option("-o", "--out", type=FILE, help="With --from: the run folder to make.")
@options_of(MosaicOptions, WorkOptions, but=("shard",))
@click.pass_context
def command(
    ctx: click.Context, /, run: Path | None, raster: Path | None, out: Path | None, confidence: Path | None,
    classes: str, **values: object,
) -> int:  # fmt: skip
    """Stitch the blocks of a RUN folder into class rasters and polygons.

    Writes into RUN/out: NAME_classes.tif and NAME_confidence.tif (cloud-optimised, styled; where sheets lie far apart
    in a country, NAME_1_classes.tif and so on, one for each group), sheets/*_classes.tif (one for each sheet),
    NAME.gpkg (land cover and the feature layers, styled), NAME.qgz (QGIS project), NAME.stac.json and report.html.
    RUN/run.json is written last.

    \b
    geoseg mosaic run/ --layers buildings,trees --vector-format geojson
    geoseg mosaic --from classes.tif -o town/
    """
    from geoseg.runfolder.folder import Run
    from geoseg.stages.mosaic import mosaic
    from geoseg.work.executor import executor

    folder = out if raster is not None else run
    if folder is None or (run is not None and raster is not None):
        raise click.UsageError("give a RUN, or --from RASTER with -o FOLDER")
    options, work = split(values, MosaicOptions, WorkOptions)
    if raster is not None:
        from dataclasses import replace

        from geoseg.datasets.tables import table_by_name
        from geoseg.stages.mosaic.from_raster import run_from_raster

        run_from_raster(raster, Run(folder), confidence, table_by_name(classes) if classes else None)
        if ctx.get_parameter_source("sheet_rasters") == ParameterSource.DEFAULT:
            options = replace(options, sheet_rasters=False)  # it would be the raster itself
    with executor(work.workers, work.scheduler) as who, steps_shown(ctx.obj["quiet"]) as shown:
        report = mosaic(folder, options, shown.hear, executor=who)
    echo_mosaic(report)
    return 3 if Run(folder).plan.quarantined else 0

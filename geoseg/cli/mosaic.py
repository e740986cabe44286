"""geoseg mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli.common import options_of
from geoseg.options import MosaicOptions, WorkOptions
from geoseg.request import split


@click.command("mosaic")
@click.argument("run", type=click.Path(path_type=Path))
@options_of(MosaicOptions, WorkOptions, but=("shard",))
def command(run: Path, **values: Any) -> int:
    """Stitch the blocks of a RUN folder into class rasters and polygons.

    Writes into RUN/out: NAME_classes.tif and NAME_confidence.tif (cloud-optimised, styled), sheets/*_classes.tif (one for each
    sheet) and NAME.gpkg (landcover, buildings, roads, road_centrelines, trees, tree_points, cars; styled), NAME.qgz (QGIS project),
    NAME.stac.json and report.html. RUN/run.json is written last.
    """
    from geoseg.cli.reports import echo_mosaic
    from geoseg.runfolder.folder import Run
    from geoseg.stages.mosaic import mosaic
    from geoseg.work.dask import executor

    options, work = split(values, MosaicOptions, WorkOptions)
    with executor(work.workers, work.scheduler) as who:
        report = mosaic(run, options, executor=who)
    echo_mosaic(report)
    return 3 if Run(run).plan.quarantined else 0

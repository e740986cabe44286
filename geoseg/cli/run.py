"""geoseg run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from geoseg.cli.common import Size, progress_bar
from geoseg.cli.infer import echo_model, infer_options
from geoseg.cli.infer import made_options as made_infer_options
from geoseg.cli.mosaic import made_options as made_mosaic_options
from geoseg.cli.mosaic import mosaic_options
from geoseg.cli.tile import made_options as made_tile_options
from geoseg.cli.tile import tile_options


def _with_config(ctx: click.Context, values: dict[str, Any], path: Path) -> tuple[list[Path], Path | None]:
    """Fill in what the command line left open from a config; returns (sheets, run folder)."""
    from geoseg.config import load_config

    config = load_config(path)
    stated = {
        **config.tile.model_dump(),
        **config.infer.model_dump(),
        **{k: v for k, v in config.mosaic.model_dump().items() if k != "sheets"},
        "sheet_rasters": config.mosaic.sheets,
    }
    stated["models"] = tuple(stated.pop("model") or ())
    stated["value_range"] = stated.pop("range")
    stated["layers"] = ",".join(stated["layers"])
    stated["vector_format"] = ",".join(stated["vector_format"])
    stated["bands"] = tuple(stated["bands"])
    stated["nodata"] = str(stated["nodata"])
    stated["overlap"] = None if stated["overlap"] is None else str(stated["overlap"])
    stated["max_ram"] = None if stated["max_ram"] is None else Size().convert(stated["max_ram"], None, ctx)
    for name, value in stated.items():
        if name in values and ctx.get_parameter_source(name) in (ParameterSource.DEFAULT, None):
            values[name] = value
    return list(config.sheets), config.out


@click.command("run")
@click.argument("sheets", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", "run", type=click.Path(path_type=Path), help="Run folder [default: the config's `out`].")
@tile_options
@infer_options
@mosaic_options
@click.option("--overwrite", is_flag=True, help="Forget an earlier plan of this run folder.")
@click.pass_context
def command(ctx: click.Context, /, sheets: tuple[Path, ...], run: Path | None, overwrite: bool, **values: Any) -> int:
    """tile, infer and mosaic in one go, for SHEETS (files, folders) or one CONFIG (YAML).

    What is up to date is skipped: run it again after adding sheets, after a crash, or every night.
    """
    from geoseg.batch.run import run_all
    from geoseg.cli import infer, mosaic, tile
    from geoseg.errors import UsageError
    from geoseg.stages.infer import InferReport
    from geoseg.stages.tile import TileReport

    paths = list(sheets)
    if len(paths) == 1 and paths[0].suffix.lower() in (".yaml", ".yml"):
        paths, configured = _with_config(ctx, values, paths[0])
        run = run or configured
    if run is None:
        raise UsageError("--out", "no run folder named", "add -o FOLDER, or `out:` to the config")
    echo_model(values["models"])

    def told(report: object) -> None:
        if isinstance(report, TileReport):
            tile.echo_plan(report)
        elif isinstance(report, InferReport):
            infer.echo_report(report)
        else:
            mosaic.echo_report(report)

    with progress_bar(ctx.obj["quiet"]) as progress:
        report = run_all(
            paths,
            run,
            made_tile_options(values, overwrite=overwrite),
            made_infer_options(values),
            made_mosaic_options(values),
            told=told,
            progress=progress,
        )
    return 0 if report.complete else 3

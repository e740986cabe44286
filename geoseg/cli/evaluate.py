"""geoseg evaluate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from geoseg.arrays import Json
from geoseg.cli.common import FILE, options_of
from geoseg.cli.groups import Command, option
from geoseg.options import EvaluateOptions
from geoseg.request import stage_options


@click.command("evaluate", cls=Command)
@click.argument("prediction", required=False, type=FILE)
@click.argument("reference", required=False, type=FILE)
@option("-o", "--out", type=FILE, help="Folder for JSON, Markdown, confusion matrix and error maps.")
@options_of(EvaluateOptions)
@option("--vectors", is_flag=True, help="With a run: score its polygons and lines, not its rasters.")
@option(
    "--layer",
    default="buildings",
    show_default=True,
    help="With vectors: what the only layer of a file holds (buildings, cars, trees, road_centrelines).",
)
@option("--from-review", type=FILE, help="The edited table review of PREDICTION, a run, instead of REFERENCE.")
@option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
def command(prediction: Path | None, reference: Path | None, out: Path | None, as_json: bool, **values: Any) -> None:
    """Score PREDICTION against REFERENCE, with the protocol beside every score.

    \b
    PREDICTION a class raster or a folder of them, REFERENCE label rasters or polygons
    PREDICTION a finished run,                     REFERENCE labels named like its sheets
    PREDICTION a model file,                       REFERENCE a training config with data
    PREDICTION a vector file (or run --vectors),   REFERENCE true polygons and lines
    PREDICTION a finished run,                     --from-review its GeoPackage with your verdicts

    \b
    geoseg evaluate run/ labels/ -o scores/
    geoseg evaluate classes.tif labels.tif --boundary eroded
    geoseg evaluate buildings.gpkg truth.gpkg --layer buildings
    """
    from geoseg.errors import UsageError
    from geoseg.stages.evaluate.vectors import VECTORS, evaluate_vectors, vector_markdown

    review = values.pop("from_review")
    if review is not None:
        from geoseg.stages.evaluate.from_review import evaluate_review, review_markdown

        if reference is not None:
            raise click.UsageError("--from-review takes no REFERENCE: give the RUN only")
        _show(evaluate_review(review, prediction), review_markdown, out, as_json)
        return
    if prediction is None or reference is None:
        raise click.UsageError("give PREDICTION and REFERENCE, or --from-review FILE")
    if not prediction.exists():
        raise UsageError(
            prediction, "does not exist", "give a class raster, a vector file, a finished run or a model file"
        )
    vectors, layer = values.pop("vectors"), values.pop("layer")
    if vectors or prediction.suffix.lower() in VECTORS:
        report = evaluate_vectors(prediction, reference, radii=values["radius"], layer=layer)
        _show(report, vector_markdown, out, as_json)
        return
    from geoseg.stages.evaluate import evaluate
    from geoseg.stages.evaluate.report import markdown, write_evaluation

    found = evaluate(prediction, reference, stage_options(EvaluateOptions, values))
    if out is not None:
        for path in write_evaluation(out, found):
            click.echo(path, err=True)
    click.echo(json.dumps(found.report, indent=1) if as_json else markdown(found.report))


def _show(report: Json, markdown: Callable[[Json], str], out: Path | None, as_json: bool) -> None:
    """Print a report without pictures, and write evaluation.json and evaluation.md where a folder is named."""
    from geoseg.commit import commit_bytes, commit_json, folder

    text = markdown(report)
    if out is not None:
        folder(out)
        commit_json(out / "evaluation.json", report)
        commit_bytes(out / "evaluation.md", text.encode())
        click.echo(out / "evaluation.md", err=True)
    click.echo(json.dumps(report, indent=1) if as_json else text)

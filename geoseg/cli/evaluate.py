"""geoseg evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import click

from geoseg.cli.common import Numbers

_MODELS = (".safetensors", ".pt", ".pth", ".pt2", ".onnx")


@click.command("evaluate")
@click.argument("prediction", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder for JSON, Markdown, confusion matrix and error maps."
)
@click.option(
    "--boundary",
    type=click.Choice(["all", "noBoundary", "eroded"]),
    default="all",
    show_default=True,
    help="Which pixels count; noBoundary only says so of the labels you give.",
)
@click.option("--without", "left_out", multiple=True, metavar="CLASS", help="Leave a class out of the means (repeat).")
@click.option(
    "--radius", "radii", type=Numbers(float), default="0.5,1", show_default=True, help="Metres for the boundary F1."
)
@click.option(
    "--min-object",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Smallest object in square metres.",
)
@click.option(
    "--legend",
    type=click.Choice(["auto", "values", "isprs"]),
    default="auto",
    show_default=True,
    help="How label rasters are coded.",
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="LABEL=CLASS",
    help="Meaning of a label value or column value, such as '1=building' or '*=building' (repeat).",
)
@click.option(
    "--rest", default="", help="What polygons do not cover: a class, 'not CLASS' or ignore [default: ignore]."
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="validation",
    show_default=True,
    help="With a model: which split of the config's data.",
)
@click.option(
    "--tta",
    type=click.Choice(["none", "flip", "d4"]),
    default="none",
    show_default=True,
    help="With a model: test-time augmentation.",
)
@click.option("--device", default="auto", show_default=True, help="With a model: auto, cpu or cuda[:N].")
@click.option("--vectors", is_flag=True, help="With a run: score its polygons and lines, not its rasters.")
@click.option(
    "--layer",
    default="buildings",
    show_default=True,
    help="With vectors: what the only layer of a file holds (buildings, cars, trees, road_centrelines).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
def command(
    prediction: Path,
    reference: Path,
    out: Path | None,
    as_json: bool,
    vectors: bool,
    layer: str,
    classes: tuple[str, ...],
    **options: object,
) -> None:
    """Score PREDICTION against REFERENCE, with the protocol beside every score.

    \b
    PREDICTION a class raster or a folder of them, REFERENCE label rasters or polygons
    PREDICTION a finished run,                     REFERENCE labels named like its sheets
    PREDICTION a model file,                       REFERENCE a training config with data
    PREDICTION a vector file (or run --vectors),   REFERENCE true polygons and lines
    """  # noqa: D301 - click's own mark
    from geoseg.errors import UsageError
    from geoseg.stages.evaluate.vectors import VECTORS

    if not prediction.exists():
        raise UsageError(
            prediction, "does not exist", "give a class raster, a vector file, a finished run or a model file"
        )
    if vectors or prediction.suffix.lower() in VECTORS:
        radii = options["radii"]
        _vectors(prediction, reference, out, as_json, tuple(radii), layer)  # type: ignore[arg-type]
        return
    from geoseg.stages.evaluate.evaluate import EvaluateOptions, evaluate_model, evaluate_rasters, evaluate_run
    from geoseg.stages.evaluate.report import markdown, write_evaluation

    pairs = []
    for text in classes:
        label, equals, name = text.partition("=")
        if not equals:
            raise UsageError("--class", f"{text!r}, expected LABEL=CLASS", "for instance 1=building")
        pairs.append((label.strip(), name.strip()))
    chosen = EvaluateOptions(classes=tuple(pairs), **options)  # type: ignore[arg-type]
    if prediction.suffix in _MODELS:
        from geoseg.config import load_yaml
        from geoseg.learn.settings import TrainConfig, anchored

        config = anchored(load_yaml(reference, TrainConfig, "configs/sample_cpu.yaml"), reference.resolve().parent)
        found = evaluate_model(prediction, config, chosen, None if config.out is None else config.out / "cache")
    elif (prediction / "plan.json").is_file():
        found = evaluate_run(prediction, reference, chosen)
    else:
        found = evaluate_rasters(prediction, reference, chosen)
    if out is not None:
        for path in write_evaluation(out, found):
            click.echo(path, err=True)
    click.echo(json.dumps(found.report, indent=1) if as_json else markdown(found.report))


def _vectors(
    prediction: Path, reference: Path, out: Path | None, as_json: bool, radii: tuple[float, ...], layer: str
) -> None:
    """Score polygons and lines; print, and write evaluation.json and evaluation.md where a folder is named."""
    from geoseg.commit import commit_bytes, commit_json, folder
    from geoseg.stages.evaluate.vectors import evaluate_vectors, vector_markdown

    report = evaluate_vectors(prediction, reference, radii=radii, layer=layer)
    text = vector_markdown(report)
    if out is not None:
        folder(out)
        commit_json(out / "evaluation.json", report)
        commit_bytes(out / "evaluation.md", text.encode())
        click.echo(out / "evaluation.md", err=True)
    click.echo(json.dumps(report, indent=1) if as_json else text)

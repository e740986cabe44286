"""geoseg infer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli.common import Numbers, Size, one_way_to_share, progress_bar, scale_options, table


def infer_options(command: Any) -> Any:
    """Options that `infer` and `run` share."""
    for option in reversed(
        [
            click.option(
                "-m",
                "--model",
                "models",
                multiple=True,
                type=click.Path(path_type=Path),
                help="Model file; several make an ensemble [default: the shipped unet_s].",
            ),
            click.option(
                "--engine",
                type=click.Choice(["auto", "torch", "openvino", "onnxruntime"]),
                default="auto",
                show_default=True,
            ),
            click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:N]."),
            click.option("--precision", type=click.Choice(["auto", "f32", "bf16"]), default="auto", show_default=True),
            click.option(
                "--batch-size",
                type=click.IntRange(1),
                help="Patches per call [default: 1 on a CPU, where more hurt; 16 on a GPU].",
            ),
            click.option(
                "--tta",
                type=click.Choice(["none", "flip", "d4"]),
                default="none",
                show_default=True,
                help="Test-time augmentation.",
            ),
            click.option("--probabilities", is_flag=True, help="Also keep every class's share, in per cent."),
            click.option(
                "--range",
                "value_range",
                type=Numbers(float, 2),
                metavar="LOW,HIGH",
                help="Sheet values that stand for the network's darkest and brightest.",
            ),
            click.option("--resample", is_flag=True, help="Accept sheets far outside the network's GSD range."),
            click.option(
                "--threads", type=click.IntRange(1), help="Patches computed side by side on a CPU [default: all cores]."
            ),
            click.option("--max-ram", type=Size(), help="Memory to stay under: 2G."),
        ]
    ):
        command = option(command)
    return command


def made_options(values: dict[str, Any]) -> Any:
    """`InferOptions` from click's values."""
    from geoseg.stages.infer.infer import InferOptions

    names = (
        "models",
        "engine",
        "device",
        "precision",
        "batch_size",
        "tta",
        "probabilities",
        "value_range",
        "resample",
        "threads",
        "max_ram",
        "read_timeout",
    )
    return InferOptions(**{n: values[n] for n in names})


def echo_model(models: tuple[Path, ...]) -> None:
    """Say what the shipped network is, where the user named none."""
    if models:
        return
    from geoseg.models.files import load_model, shipped_model

    card = load_model(shipped_model()).card
    click.echo(f"no --model given: using the shipped network {card.name!r}")
    click.echo(f"  good for:     {card.good_for}")
    click.echo(f"  not good for: {card.not_good_for}")


def echo_report(report: Any) -> None:
    """What `infer` did."""
    if not report.computed:
        click.echo(f"nothing to do: all {report.blocks} blocks are up to date")
        return
    facts = report.engine
    rows = [
        ("blocks", f"{report.computed} of {report.blocks} computed"),
        (
            "pixels",
            f"{report.megapixels:,.1f} Mpx in {report.seconds:.1f} s ({report.megapixels / max(report.seconds, 1e-9):.2f} Mpx/s)",
        ),
        (
            "patches",
            f"{report.patches:,} ({100 * report.twice / max(1, report.patches):.1f} % of them twice, at panel borders)",
        ),
        (
            "engine",
            f"{facts.engine} {facts.precision} on {facts.device}, batch {facts.batch}, TTA {facts.tta}, {facts.ratio} network px per px",
        ),
    ]
    click.echo(table(rows))


@click.command("infer")
@click.argument("run", type=click.Path(path_type=Path))
@infer_options
@scale_options
@click.pass_context
def command(ctx: click.Context, /, run: Path, **values: Any) -> int:
    """Run a network over a RUN folder that `geoseg tile` planned.

    Streams the sheets through the network with sliding-window blending and commits class and confidence blocks. Can be stopped at
    any time: the same command goes on with the first block that is not committed.
    """
    from geoseg.plan import load_plan
    from geoseg.stages.infer.infer import infer
    from geoseg.work.dask import executor

    one_way_to_share(values)
    load_plan(run)
    echo_model(values["models"])
    with (
        executor(values["workers"], values["scheduler"], values["max_ram"], values["device"]) as who,
        progress_bar(ctx.obj["quiet"]) as progress,
    ):
        report = infer(run, made_options(values), progress, executor=who, shard=values["shard"])
    echo_report(report)
    click.echo(f"next: geoseg mosaic {run}")
    return 3 if report.quarantined else 0

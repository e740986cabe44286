"""geoseg train."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from geoseg.cli.common import FILE
from geoseg.cli.groups import Command, option

if TYPE_CHECKING:
    from geoseg.learn.settings import TrainConfig


class Given(TypedDict):
    """The options of `geoseg train`, as they are given."""

    out: Path | None
    preview: Path | None
    overwrite: bool
    device: str | None
    backbone_weights: str | None
    init: str | None
    max_steps: int | None


@click.command("train", cls=Command)
@click.argument("config", type=FILE)
@option("-o", "--out", type=FILE, help="Folder of checkpoint, logs and model [default: the config's].")
@option(
    "--preview",
    type=FILE,
    help="Write a contact sheet of augmented samples to this PNG and stop.",
)
@option("--overwrite", is_flag=True, help="Start again although there is a checkpoint.")
@option("--device", help="auto, cpu or cuda[:N] [default: the config's].")
@option(
    "--backbone-weights", help="FILE of a classifier's weights (torchvision state dict), or imagenet to fetch them."
)
@option(
    "--init",
    help="Start from another network, classes matched by name: a FILE, shipped, or torchvision to fetch its weights.",
)
@option("--max-steps", type=click.IntRange(min=1), help="Shorten each stage to at most this many steps: a rehearsal.")
@click.pass_context
def command(ctx: click.Context, config: Path, **given: Unpack[Given]) -> None:
    """Train the network that the YAML file CONFIG describes; after a crash or kill the same command goes on.

    Under torchrun, one process per device trains together.

    \b
    geoseg train potsdam.yaml --preview samples.png
    geoseg train potsdam.yaml --max-steps 20
    geoseg train potsdam.yaml
    """
    from geoseg.errors import UsageError
    from geoseg.learn.settings import load_settings
    from geoseg.stages.train import preview, train

    settings = _change(load_settings(config), given)
    if given["preview"] is not None:
        preview(settings, given["preview"])
        click.echo(given["preview"])
        return
    folder = given["out"] or settings.out
    if folder is None:
        raise UsageError(config, "has no `out`", "add it, or give --out")
    result = train(settings, folder, _speaker(ctx.obj["quiet"]), overwrite=given["overwrite"])
    score = "" if result.mean_iou is None else f", best validation mIoU {result.mean_iou:.4f}"
    click.echo(f"{result.model}: {result.steps} steps{score}")
    click.echo(f"{result.rate:.1f} samples/s, {100 * result.waiting:.1f} % of the time waiting for data")


def _change(settings: TrainConfig, given: Given) -> TrainConfig:
    """The config with the changes of the command line."""
    if given["device"]:
        settings = settings.model_copy(update={"device": given["device"]})
    start: dict[str, Path | str] = {}
    if weights := given["backbone_weights"]:
        start["backbone_weights"] = weights if weights == "imagenet" else Path(weights)
    if init := given["init"]:
        from geoseg.weights import NAMES

        start["init"] = init if init in ("torchvision", *NAMES) else Path(init)
    settings = settings.model_copy(update={"model": settings.model.model_copy(update=start)})
    if steps := given["max_steps"]:
        stages = [s.model_copy(update={"steps": min(s.steps, steps)}) for s in settings.stages]
        changes = {"stages": stages, "validate_every": min(settings.validate_every, steps)}
        settings = settings.model_copy(update=changes)
    return settings


def _speaker(quiet: bool) -> Callable[[str], None]:
    """Lines on stderr; step lines overwrite each other on a terminal and come every 15 seconds in a log."""
    last = [0.0]

    def say(line: str) -> None:
        if quiet:
            return
        if not line.startswith("step ") or "validation" in line:
            click.echo(f"geoseg: {line}", err=True)
        elif sys.stderr.isatty():
            click.echo(f"\r\033[Kgeoseg: {line}", nl=False, err=True)
        elif time.monotonic() - last[0] > 15:
            last[0] = time.monotonic()
            click.echo(f"geoseg: {line}", err=True)

    return say

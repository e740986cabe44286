"""geoseg infer."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.common import FILE, echo_infer, echo_model, options_of, steps_shown
from geoseg.cli.groups import Command
from geoseg.options import InferOptions, WorkOptions
from geoseg.request import split


@click.command("infer", cls=Command)
@click.argument("run", type=FILE)
@options_of(InferOptions, WorkOptions)
@click.pass_context
def command(ctx: click.Context, /, run: Path, **values: object) -> int:
    """Run a network over a RUN folder that `geoseg tile` planned.

    The sheets stream through the network with sliding-window blending. Blocks of classes and confidence are committed
    one by one. You can stop it at any time: the same command goes on with the first block that is missing.

    \b
    geoseg infer run/
    geoseg infer run/ --model potsdam.safetensors --tta flip
    geoseg infer run/ --shard 1/4
    """
    from geoseg.runfolder.folder import Run
    from geoseg.stages.infer import infer
    from geoseg.work.executor import executor

    options, work = split(values, InferOptions, WorkOptions)
    _ = Run(run).plan  # an error where there is none, before anything else
    echo_model(options.model)
    with (
        executor(work.workers, work.scheduler, options.max_ram, options.device) as who,
        steps_shown(ctx.obj["quiet"]) as shown,
    ):
        report = infer(run, options, shown.hear, executor=who, shard=work.shard)
    echo_infer(report)
    click.echo(f"next: geoseg mosaic {run}")
    return 3 if report.quarantined else 0

"""geoseg run."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.common import FILE, echo_forecast, echo_model, echo_report, log_report, options_of, stated, steps_shown
from geoseg.cli.groups import Command, option
from geoseg.options import STAGES, InferOptions
from geoseg.request import run_options


@click.command("run", cls=Command)
@click.argument("sheets", nargs=-1, required=True, type=FILE)
@option("-o", "--out", "run", type=FILE, help="Run folder [default: the config's `out`].")
@options_of(InferOptions, *STAGES.values())  # -m is that of infer
@click.pass_context
def command(ctx: click.Context, /, sheets: tuple[Path, ...], run: Path | None, **_: object) -> int:
    """tile, infer and mosaic in one go, for SHEETS (files, folders, patterns, .txt lists) or one CONFIG (YAML).

    What is up to date is skipped: run it again after adding sheets, after a crash, or every night.

    \b
    geoseg run sheets/ -o run/
    geoseg run sheets/ -o run/ --model potsdam.safetensors --layers buildings,trees
    geoseg run nightly.yaml --dry-run
    geoseg run nightly.yaml --date today --changes
    """
    from geoseg.errors import UsageError
    from geoseg.night.config import as_of_config

    spoken = stated(ctx, *STAGES.values())
    try:
        return _night(ctx.obj["quiet"], sheets, run, spoken)
    except UsageError as error:
        raise as_of_config(error, sheets, spoken) from error


def _night(quiet: bool, sheets: tuple[Path, ...], run: Path | None, spoken: dict[str, object]) -> int:
    """The night that a command line asks for; returns its exit code."""
    from geoseg.errors import UsageError
    from geoseg.night.config import with_config
    from geoseg.night.listener import Listener
    from geoseg.night.night import night
    from geoseg.night.tell import log_as_json

    paths, folder, values = with_config(sheets, run, spoken)
    if folder is None:
        raise UsageError("--out", "no run folder named", "add -o FOLDER, or `out:` to the config")
    options = run_options(values)
    as_json = options.night.log_json
    if as_json:
        log_as_json()
    if options.night.dry_run:
        from geoseg.night.forecast import forecast

        echo_forecast(forecast(paths, folder, options.tile, options.infer))
        return 0
    with steps_shown(quiet or as_json) as shown:

        def told(report: object) -> None:
            shown.rest()
            echo_report(report)

        if as_json:
            listener = Listener(told=log_report)
        else:
            listener = Listener(lambda: echo_model(options.infer.model), told, shown.hear, say=click.echo)
        facts = night(paths, folder, options, listener=listener)
    return 0 if facts.exit_code == 3 and options.night.quarantine_ok else facts.exit_code

"""geoseg status: how far a run is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from geoseg.cli.common import FILE, table
from geoseg.cli.groups import Command, option


@click.command("status", cls=Command)
@click.argument("run", type=FILE)
@option("--json", "as_json", is_flag=True, help="As JSON.")
def command(run: Path, as_json: bool) -> None:
    """How far a RUN is, and who is at work on it now: stage, step, share, speed and time left.

    \b
    geoseg status run/
    geoseg status run/ --json
    """
    from geoseg.stages.look.status import status

    state = status(run)
    if as_json:
        click.echo(json.dumps(asdict(state), indent=1))
        return
    click.echo(
        table(
            [
                ("sheets", f"{state.sheets} ({len(state.quarantined)} quarantined)"),
                ("blocks", f"{state.blocks_done} of {state.blocks} up to date"),
                ("outputs", "up to date" if state.finished else "not written, or older than the blocks"),
                ("latest night", state.latest or "none published"),
                *[("at work", one.said) for one in state.at_work],
                ("next", state.next),
            ]
        )
    )
    for q in state.quarantined:
        click.echo(f"geoseg: error: {q['path']}: {q['reason']} ({q['cure']})", err=True)

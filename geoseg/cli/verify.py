"""geoseg verify: check again what a run wrote."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.common import FILE
from geoseg.cli.groups import Command


@click.command("verify", cls=Command)
@click.argument("run", type=FILE)
def command(run: Path) -> int:
    """Check again everything that a RUN wrote: hashes, pixels, grid, geometries, coverage.

    The exit code is 1 if something is wrong; each fault is one line with its cure.

    \b
    geoseg verify run/
    """
    from geoseg.stages.look.verify import verify

    found = verify(run)
    for path, what, cure in found.faults:
        click.echo(f"geoseg: error: {path}: {what} ({cure})", err=True)
    click.echo(f"{found.blocks} blocks and {found.files} files: {len(found.faults) or 'no'} faults")
    return 1 if found.faults else 0

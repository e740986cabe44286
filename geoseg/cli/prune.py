"""geoseg prune."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class Age(click.ParamType):  # type: ignore[type-arg]
    """A time span: 12h, 14d, 8w."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Text to seconds."""
        if not isinstance(value, str):
            return float(value)
        factor = {"h": 3600, "d": 86400, "w": 7 * 86400}.get(value[-1:])
        try:
            if factor is None:
                raise ValueError
            return float(value[:-1]) * factor
        except ValueError:
            self.fail(f"{value!r} is not a time span like 12h, 14d or 8w", param, ctx)


@click.command("prune")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--keep", type=click.IntRange(1), default=7, show_default=True, help="Newest nights that stay whatever their age."
)
@click.option(
    "--younger-than", "age", type=Age(), default="14d", show_default=True, help="Nights younger than this stay too."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def command(run: Path, keep: int, age: float, dry_run: bool) -> int:
    """Remove old published nights of a RUN (out/DATE).

    Never what `latest` stands for, nor the night before it: readers on shared storage cannot be seen.
    """
    from geoseg.night.publish import prune
    from geoseg.plan import load_plan

    load_plan(run)
    gone = prune(run, keep, age, dry_run=dry_run)
    for folder in gone:
        click.echo(f"{'would remove' if dry_run else 'removed'} {folder}")
    if not gone:
        click.echo("nothing to remove")
    return 0

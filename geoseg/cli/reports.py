"""What commands say of the reports that stages give."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli.common import table

if TYPE_CHECKING:
    from pathlib import Path

    from geoseg.night.forecast import Forecast
    from geoseg.plan import Plan
    from geoseg.stages.infer import InferReport
    from geoseg.stages.mosaic import MosaicReport
    from geoseg.stages.tile import TileReport

__all__ = ["echo_forecast", "echo_infer", "echo_model", "echo_mosaic", "echo_report", "echo_tile", "log_report"]


def echo_tile(report: TileReport) -> None:
    """The table at the end of `tile`, warnings and quarantined sheets."""
    plan = report.plan
    sheets = f"{len(plan.sheets)}" + (f" ({len(plan.quarantined)} quarantined)" if plan.quarantined else "")
    own = "" if plan.asked_lattice else " (a network's own may differ)"
    rows = [
        ("sheets", sheets),
        ("GSD", f"{plan.gsd * 100:.2f} cm on the ground"),
        ("size", f"{report.megapixels:,.1f} Mpx"),
        ("patches", f"{report.patches:,} of {plan.lattice.patch} px, overlap {plan.lattice.overlap} px{own}"),
        ("blocks", f"{report.blocks:,} of {plan.block} px"),
        ("disk", f"about {report.disk / 1e9:.2f} GB for blocks and outputs"),
        ("memory", f"about {report.memory / 1e9:.1f} GB with a small network (infer --max-ram bounds it)"),
    ]
    click.echo(table(rows))
    for warning in report.warnings:
        click.echo(f"geoseg: warning: {warning}", err=True)
    echo_quarantined(plan)


def echo_quarantined(plan: Plan) -> None:
    """One line for each sheet that was left out."""
    for q in plan.quarantined:
        click.echo(f"geoseg: error: {q.path}: {q.reason} ({q.cure})", err=True)


def echo_model(models: tuple[Path, ...]) -> None:
    """Say what the shipped network is, where the user named none."""
    if models:
        return
    from geoseg.models.files import load_model, shipped_model

    card = load_model(shipped_model()).card
    click.echo(f"no --model given: using the shipped network {card.name!r}")
    click.echo(f"  good for:     {card.good_for}")
    click.echo(f"  not good for: {card.not_good_for}")


def echo_infer(report: InferReport) -> None:
    """What `infer` did."""
    if not report.computed:
        click.echo(f"nothing to do: all {report.blocks} blocks are up to date")
        return
    facts, rate = report.engine, report.megapixels / max(report.seconds, 1e-9)
    twice = 100 * report.twice / max(1, report.patches)
    engine = f"{facts.engine} {facts.precision} on {facts.device}, batch {facts.batch}, TTA {facts.tta}"
    rows = [
        ("blocks", f"{report.computed} of {report.blocks} computed"),
        ("pixels", f"{report.megapixels:,.1f} Mpx in {report.seconds:.1f} s ({rate:.2f} Mpx/s)"),
        ("patches", f"{report.patches:,} ({twice:.1f} % of them twice, at panel borders)"),
        ("engine", f"{engine}, {facts.ratio} network px per px"),
    ]
    click.echo(table(rows))


def echo_mosaic(report: MosaicReport) -> None:
    """Areas, features and files."""
    if report.skipped:
        click.echo(f"nothing to do: {report.out} is up to date")
        return
    whole = sum(report.areas.values()) or 1
    rows = [(name, f"{area:>14,.1f} m2  {100 * area / whole:5.1f} %") for name, area in report.areas.items()]
    click.echo(table(rows))
    if report.features:
        click.echo("features: " + ", ".join(f"{n} {name}" for name, n in report.features.items()))
    for path in report.files:
        if path.suffix in (".tif", ".gpkg") and path.parent.name != "sheets":
            click.echo(f"wrote {path}")


def echo_report(report: Any) -> None:
    """The report of any stage."""
    echo: dict[str, Callable[[Any], None]] = {
        "TileReport": echo_tile,
        "InferReport": echo_infer,
        "MosaicReport": echo_mosaic,
    }
    echo[type(report).__name__](report)


def log_report(report: object) -> None:
    """A stage's numbers as one log line."""
    plain = {k: v for k, v in vars(report).items() if isinstance(v, (int, float, str, bool))}
    words = " ".join(f"{k}={v}" for k, v in plain.items())
    stage = re.sub("Report$", "", type(report).__name__).lower()
    logging.getLogger("geoseg.run").info("%s done: %s", stage, words)


def echo_forecast(found: Forecast) -> None:
    """What a run would do."""
    time = "unknown: no block was computed here yet"
    if found.seconds:
        time = f"about {found.seconds / 60:.1f} min at the speed of earlier blocks"
    sheets = f"{len(found.new)} new, {len(found.changed)} changed, {found.same} unchanged, {len(found.gone)} gone"
    rows = [
        ("sheets", sheets),
        ("quarantined", str(len(found.quarantined))),
        ("blocks", f"{found.stale} of {found.blocks} to compute, {found.megapixels:,.1f} Mpx"),
        ("disk", f"about {found.disk / 1e9:.2f} GB, {found.free / 1e9:.1f} GB free"),
        ("memory", f"about {found.memory / 1e9:.1f} GB"),
        ("time", time if found.stale else "seconds"),
    ]
    click.echo(table(rows))
    for kind in ("new", "changed", "gone", "quarantined"):
        for path in getattr(found, kind)[:20]:
            click.echo(f"  {kind}: {path}")
    click.echo("dry run: nothing was written")

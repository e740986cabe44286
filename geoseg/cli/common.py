"""What several commands share: options out of `geoseg.options`, progress, and the words about a stage's report."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

import click
from click.core import ParameterSource

from geoseg.arrays import Json
from geoseg.cli.groups import GroupedOption
from geoseg.errors import UsageError
from geoseg.options import Option, known
from geoseg.progress import Shown, bars, lines

__all__ = [
    "FILE",
    "Read",
    "echo_forecast",
    "echo_infer",
    "echo_model",
    "echo_mosaic",
    "echo_report",
    "echo_tile",
    "log_report",
    "options_of",
    "stated",
    "steps_shown",
    "table",
]

if TYPE_CHECKING:
    from geoseg.night.forecast import Forecast
    from geoseg.plan import Plan
    from geoseg.stages.infer import InferReport
    from geoseg.stages.mosaic import MosaicReport
    from geoseg.stages.tile import TileReport

F = TypeVar("F", bound=Callable[..., object])


class Read(click.ParamType):  # type: ignore[type-arg]
    """Text that one of `geoseg.parse`'s functions turns into a value."""

    name = "text"

    def __init__(self, read: Callable[[Any], object]) -> None:
        self.read = read

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Text to a value; UsageError says what is wrong with it."""
        return self.read(value)


class _FileName(click.Path):  # type: ignore[type-arg]
    """A path that is not empty: "" would mean the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Text to a path; UsageError for an empty one."""
        if value == "":
            name = param.opts[0] if param is not None and param.opts[0].startswith("-") else "the path"
            raise UsageError(name, "is empty", "name a file or folder; a variable may not be set")
        return super().convert(value, param, ctx)


FILE = _FileName()


def options_of(*kinds: type, but: tuple[str, ...] = ()) -> Callable[[F], F]:
    """A decorator that gives a command all options of some values: their flags, types, defaults and help."""

    def decorate(command: F) -> F:
        names: set[str] = set(but)
        wanted = []
        for kind in kinds:
            for name, one in known(kind).items():
                if name not in names and one.flags != ():
                    wanted.append(_click_option(kind, name, one))
                    names.add(name)
        for option in reversed(wanted):
            command = option(command)
        return command

    return decorate


def _click_option(kind: type, name: str, one: Option) -> Callable[[F], F]:
    hint = get_type_hints(kind)[name]
    default = next(f.default for f in fields(kind) if f.name == name)
    assert default is not MISSING, name
    flag = "--" + name.replace("_", "-")
    facts: Json = {"help": one.help, "default": default, "cls": GroupedOption, "group": one.group}
    if hint is bool:
        both = default is True
        declared = one.flags or ((f"{flag}/--no-{flag[2:]}",) if both else (flag,))
        return click.option(*declared, name, is_flag=True, show_default=both, **facts)
    declared = one.flags or (flag,)
    facts["metavar"] = one.metavar or _metavar(one, hint)
    if one.many:
        facts |= {"multiple": True, "type": _click_type(one, str), "default": ()}
        return click.option(*declared, name, **facts)
    facts["type"] = Read(one.read) if one.read else _click_type(one, hint)
    shown = default not in (None, "", ()) and "[default:" not in one.help
    return click.option(*declared, name, written=_as_written(default) if shown else "", **facts)


def _as_written(default: object) -> str:
    """A default as a user would write it."""
    values = default if isinstance(default, tuple) else (default,)
    return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)


def _metavar(one: Option, hint: type) -> str | None:
    """What stands for a value in the help; None where click lists the choices."""
    plain = next(a for a in (get_args(hint) or (hint,)) if a is not type(None))
    word = {int: "N", float: "NUMBER", Path: "FILE"}.get(plain, "TEXT")
    return None if one.choices else word + (",.." if Ellipsis in get_args(hint) else "")


def _click_type(one: Option, hint: type) -> Any:
    """Click's own type: it shows choices and bounds in the help."""
    plain = next((a for a in get_args(hint) if a is not type(None)), hint)
    if one.choices:
        return click.Choice(one.choices)
    if plain is int and (one.least is not None or one.most is not None):
        low, high = (None if n is None else int(n) for n in (one.least, one.most))
        return click.IntRange(low, high, min_open=one.above)
    if plain is float and (one.least is not None or one.most is not None):
        return click.FloatRange(one.least, one.most, min_open=one.above)
    return FILE if plain is Path else plain


def stated(ctx: click.Context, *kinds: type) -> dict[str, object]:
    """Options that stand on the command line, by name; all others keep their defaults, or a config's values."""
    names = {name for kind in kinds for name in known(kind)}
    silent = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP, None)
    return {n: v for n, v in ctx.params.items() if n in names and ctx.get_parameter_source(n) not in silent}


def table(rows: list[tuple[str, str]]) -> str:
    """Two aligned columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


@contextmanager
def steps_shown(quiet: bool) -> Iterator[Shown]:
    """Shows the steps of a work: bars on a terminal, timed lines elsewhere, nothing where it is to be quiet."""
    if quiet:
        yield Shown()
        return
    with bars() if sys.stderr.isatty() else lines() as shown:
        yield shown


def echo_tile(report: TileReport) -> None:
    """The table at the end of `tile`, warnings and quarantined sheets."""
    from geoseg.sheets.bands import bands_in_words

    plan = report.plan
    counts = (("added", report.came), ("dropped", report.left), ("quarantined", len(plan.quarantined)))
    notes = ", ".join(f"{n} {what}" for what, n in counts if n)
    sheets = f"{len(plan.sheets)}" + (f" ({notes})" if notes else "")
    own = "" if plan.asked_lattice or report.network else " (a network's own may differ: --model FILE or shipped)"
    rows = [
        ("sheets", sheets),
        ("bands", ", ".join(map(str, plan.bands)) if plan.bands else bands_in_words(plan.sheets[0].header)),
        ("GSD", f"{plan.gsd * 100:.2f} cm on the ground"),
        ("size", f"{report.megapixels:,.1f} Mpx"),
        ("patches", f"{report.patches:,} of {plan.lattice.patch} px, overlap {plan.lattice.overlap} px{own}"),
        ("blocks", f"{report.blocks:,} of {plan.block} px"),
        ("disk", f"about {report.disk / 1e9:.2f} GB for blocks and outputs"),
        ("memory", f"about {report.memory / 1e9:.1f} GB with a small network (infer --max-ram bounds it)"),
    ]
    if report.passed_over:
        rows.insert(1, ("passed over", f"{report.passed_over} (name them, if they are sheets)"))
    click.echo(table(rows))
    for warning in report.warnings:
        click.echo(f"geoseg: warning: {warning}", err=True)
    echo_quarantined(plan)


def echo_quarantined(plan: Plan) -> None:
    """One line for each sheet that was left out."""
    for q in plan.quarantined:
        click.echo(f"geoseg: error: {q.path}: {q.reason} ({q.cure})", err=True)


def echo_model(models: tuple[Path, ...]) -> None:
    """Say what the shipped network is, where the user named none; and the hash of a file that no card gives one for."""
    from geoseg.models.files import load_model, shipped_model, unstated_sha

    for path in models:
        if sha := unstated_sha(path):
            click.echo(f"{path}: its SHA-256 is {sha}; {path.with_suffix('.json').name} gives none to compare with")
    if models:
        return

    card = load_model(shipped_model()).card
    click.echo(f"no --model given: using the shipped network {card.name!r}; what it gets wrong: geoseg model info")


def echo_infer(report: InferReport) -> None:
    """What `infer` did."""
    if not report.computed:
        click.echo(f"nothing to do: all {report.blocks} blocks are up to date")
        return
    facts, rate = report.engine, report.megapixels / max(report.seconds, 1e-9)
    twice = 100 * report.twice / max(1, report.patches)
    engine = f"{facts.engine} {facts.precision} on {facts.device}, batch {facts.batch}, TTA {facts.tta}"
    patches = f"{report.patches:,} of {report.lattice.patch} px, overlap {report.lattice.overlap} px"
    rows = [
        ("blocks", f"{report.computed} of {report.blocks} computed"),
        ("pixels", f"{report.megapixels:,.1f} Mpx in {report.seconds:.1f} s ({rate:.2f} Mpx/s)"),
        ("patches", f"{patches} ({twice:.1f} % of them twice, at panel borders)"),
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


def echo_report(report: object) -> None:
    """The report of any stage."""
    echo: dict[str, Callable[..., None]] = {
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

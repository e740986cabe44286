"""What several commands share: options out of `geoseg.options`, tables, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
from click.core import ParameterSource

from geoseg.options import Option, known

__all__ = ["Read", "options_of", "progress_bar", "stated", "table"]


class Read(click.ParamType):  # type: ignore[type-arg]
    """Text that one of `geoseg.parse`'s functions turns into a value."""

    name = "text"

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Text to a value; UsageError says what is wrong with it."""
        return self.read(value)


def options_of(*kinds: type, only: tuple[str, ...] = (), but: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """A decorator that gives a command all options of some values: their flags, types, defaults and help."""

    def decorate(command: Any) -> Any:
        names: set[str] = set(but)
        wanted = []
        for kind in kinds:
            for name, one in known(kind).items():
                if name not in names and one.flags != () and (not only or name in only):
                    wanted.append(_click_option(kind, name, one))
                    names.add(name)
        for option in reversed(wanted):
            command = option(command)
        return command

    return decorate


def _click_option(kind: type, name: str, one: Option) -> Any:
    hint = get_type_hints(kind)[name]
    default = next(f.default for f in fields(kind) if f.name == name)
    assert default is not MISSING, name
    flag = "--" + name.replace("_", "-")
    facts: dict[str, Any] = {"help": one.help, "default": default}
    if hint is bool:
        both = default is True
        declared = one.flags or ((f"{flag}/--no-{flag[2:]}",) if both else (flag,))
        return click.option(*declared, name, is_flag=True, show_default=both, **facts)
    declared = one.flags or (flag,)
    if one.metavar:
        facts["metavar"] = one.metavar
    if one.many:
        facts |= {"multiple": True, "type": _click_type(one, str), "default": ()}
        return click.option(*declared, name, **facts)
    facts["type"] = Read(one.read) if one.read else _click_type(one, hint)
    shown = default not in (None, "", ()) and "[default:" not in one.help
    text = ",".join(f"{v:g}" for v in default) if isinstance(default, tuple) and shown else shown
    return click.option(*declared, name, show_default=text, **facts)


def _click_type(one: Option, hint: Any) -> Any:
    """Click's own type: it shows choices and bounds in the help."""
    plain = next((a for a in get_args(hint) if a is not type(None)), hint)
    if one.choices:
        return click.Choice(one.choices)
    if plain in (int, float) and (one.least is not None or one.most is not None):
        bounded: Any = click.IntRange if plain is int else click.FloatRange
        return bounded(one.least, one.most, min_open=one.above)
    return click.Path(path_type=Path) if plain is Path else plain


def stated(ctx: click.Context, *kinds: type) -> dict[str, Any]:
    """Options that stand on the command line, by name; all others keep their defaults, or a config's values."""
    names = {name for kind in kinds for name in known(kind)}
    silent = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP, None)
    return {n: v for n, v in ctx.params.items() if n in names and ctx.get_parameter_source(n) not in silent}


def table(rows: list[tuple[str, str]]) -> str:
    """Two aligned columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


@contextmanager
def progress_bar(quiet: bool, unit: str = "px") -> Iterator[Callable[[int, int], None]]:
    """(done, total) -> a bar with rate and time left on a terminal; a plain line every tenth otherwise."""
    if quiet:
        yield lambda done, total: None
        return
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(unit=unit, unit_scale=True, dynamic_ncols=True) as bar:

            def advance(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield advance
        return
    shown = [-1]

    def line(done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if tenth > shown[0]:
            shown[0] = tenth
            amount = f"{done / 1e6:.1f} of {total / 1e6:.1f} Mpx" if unit == "px" else f"{done} of {total} {unit}"
            click.echo(f"geoseg: {min(100, 100 * done // max(1, total))} % ({amount})", err=True)

    yield line

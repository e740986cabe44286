"""The help of a command: its options under headings, each with its values and default as a user would write them."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from geoseg.options import HELP_GROUPS

__all__ = ["Command", "GroupedOption", "option"]


class GroupedOption(click.Option):
    """An option that knows its heading; in brackets it says its default, and bounds that are no matter of course.

    `group`: the heading; `written`: the default as a user would write it, "" for none to be shown.
    """

    def __init__(self, *args: Any, group: str = "", written: str = "", **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.group, self.written = group, written

    def make_metavar(self, ctx: click.Context) -> str:
        """What stands for a value: `N`, `NUMBER`, or what click says where neither it nor the option knows better."""
        plain = {click.IntRange: "N", click.FloatRange: "NUMBER", type(click.INT): "N", type(click.FLOAT): "NUMBER"}
        if self.metavar is None and type(self.type) in plain:
            return plain[type(self.type)]
        return super().make_metavar(ctx)

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        """What stands in brackets: `[default: 25; at most 100]`; click would put the default into more brackets."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        if isinstance(self.type, click.IntRange | click.FloatRange) and (said := _bounds(self.type)):
            extra["range"] = said
        if self.written:
            extra["default"] = self.written
        return extra


def _bounds(kind: click.IntRange | click.FloatRange) -> str:
    """Bounds in words; nothing of a least value that everybody expects, and nothing of a most that nobody reaches."""
    said = []
    if kind.min is not None and kind.min > 1:
        said.append(f"{'above' if kind.min_open else 'at least'} {kind.min:g}")
    if kind.max is not None and kind.max < 86_400:
        said.append(f"at most {kind.max:g}")
    return ", ".join(said)


option = partial(click.option, cls=GroupedOption)
"""The decorator for an option of one command alone; it stands without a heading."""


class Command(click.Command):
    """A command whose options stand under headings; those of its own, without a heading, come first."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each heading that has an option."""
        rows: dict[str, list[tuple[str, str]]] = {name: [] for name in ("", *HELP_GROUPS)}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                rows[getattr(param, "group", "")].append(record)
        for name, records in rows.items():
            if records:
                with formatter.section(name or "Options"):
                    formatter.write_dl(records, col_max=28)

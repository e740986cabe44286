"""What several commands share: option types, tables, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["Numbers", "Size", "progress_bar", "table"]


class Numbers(click.ParamType):  # type: ignore[type-arg]
    """A fixed number of numbers, separated by commas."""

    name = "numbers"

    def __init__(self, kind: type, count: int | None = None) -> None:
        self.kind, self.count = kind, count

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Text to a tuple."""
        if not isinstance(value, str):
            return value
        try:
            numbers = tuple(self.kind(v) for v in value.split(",") if v.strip())
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers like 1,2,3", param, ctx)
        if self.count is not None and len(numbers) != self.count:
            self.fail(f"{value!r} holds {len(numbers)} numbers, expected {self.count}", param, ctx)
        return numbers


class Size(click.ParamType):  # type: ignore[type-arg]
    """Bytes, with K, M, G or T."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Text to bytes."""
        if not isinstance(value, str):
            return int(value)
        text = value.strip().upper().removesuffix("B").removesuffix("I")
        factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}.get(text[-1:], 1)
        try:
            return int(float(text.rstrip("KMGT")) * factor)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a size like 2G or 800M", param, ctx)


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

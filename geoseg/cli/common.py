"""What several commands share: option types, tables, progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["Numbers", "Shard", "Size", "one_way_to_share", "progress_bar", "scale_options", "table", "worker_options"]


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


class Shard(click.ParamType):  # type: ignore[type-arg]
    """I/N, or `auto` from the variables of a job array, or auto/N where the array does not say how many there are."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Text to (index from 0, count)."""
        if not isinstance(value, str):
            return (int(value[0]), int(value[1]))
        index, _, count = value.partition("/")
        try:
            found = _of_array(count) if index == "auto" else (int(index) - 1, int(count))
        except (ValueError, KeyError) as error:
            reason = f"{error} is not set" if isinstance(error, KeyError) else "expected I/N like 1/4, auto or auto/N"
            self.fail(f"{value!r}: {reason}", param, ctx)
        if not 0 <= found[0] < found[1]:
            self.fail(f"{value!r} is shard {found[0] + 1} of {found[1]}", param, ctx)
        return found


def _of_array(count: str) -> tuple[int, int]:
    """(index from 0, count) from Slurm, AWS Batch or a Kubernetes indexed job."""
    env = os.environ
    if "SLURM_ARRAY_TASK_ID" in env:
        first = int(env.get("SLURM_ARRAY_TASK_MIN", "0"))
        return int(env["SLURM_ARRAY_TASK_ID"]) - first, int(count or env["SLURM_ARRAY_TASK_COUNT"])
    if "AWS_BATCH_JOB_ARRAY_INDEX" in env:
        return int(env["AWS_BATCH_JOB_ARRAY_INDEX"]), int(count or env["AWS_BATCH_JOB_ARRAY_SIZE"])
    return int(env["JOB_COMPLETION_INDEX"]), int(count)


def scale_options(command: Any) -> Any:
    """Options that say who computes; `infer` and `run` share them."""
    shard = click.option(
        "--shard",
        type=Shard(),
        metavar="I/N",
        help="Only this share of the blocks: 1/4, or auto in a job array (Slurm, AWS Batch; auto/N in Kubernetes).",
    )
    return shard(worker_options(command))


def worker_options(command: Any) -> Any:
    """Options that name workers, and how long they wait for a sheet."""
    for option in reversed(
        [
            click.option(
                "--workers",
                type=click.IntRange(0),
                default=0,
                help="Processes of a local Dask cluster [default: none].",
            ),
            click.option(
                "--scheduler",
                default="",
                metavar="ADDR",
                help="A Dask scheduler of yours: tcp://HOST:8786, tls://HOST:8786.",
            ),
            click.option(
                "--read-timeout",
                type=click.FloatRange(0, 86_400, min_open=True),
                default=25.0,
                show_default=True,
                metavar="SECONDS",
                help="A sheet that takes longer for 16 MB of pixels, twice, is set aside.",
            ),
        ]
    ):
        command = option(command)
    return command


def one_way_to_share(values: dict[str, Any]) -> None:
    """UsageError where the work is shared out in two ways at once."""
    from geoseg.errors import UsageError

    if values.get("shard") and (values["workers"] or values["scheduler"]):
        raise UsageError("--shard", "together with --workers or --scheduler", "choose one way to share the work out")
    if values["workers"] and values["scheduler"]:
        raise UsageError("--workers", "together with --scheduler", "the scheduler has workers of its own")


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

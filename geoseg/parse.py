"""What users write, turned into values: the same for the command line, a config and the keywords of Python functions.

Each function takes the text, or a value that already is what it should be, and raises UsageError with an example.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path

from geoseg.errors import UsageError
from geoseg.weights import model_path

__all__ = [
    "age",
    "day",
    "file_name",
    "label_classes",
    "names",
    "nodata",
    "numbers",
    "overlap",
    "path",
    "paths",
    "shard",
    "size",
]

Names = str | Sequence[str]
Numbers = str | Sequence[float]
OnePath = str | os.PathLike[str]
Paths = OnePath | Sequence[OnePath]
Nodata = str | float | Sequence[tuple[float, float]]
Pair = str | tuple[int, int]
LabelClasses = Sequence[str | tuple[str, str]]


def numbers(flag: str, kind: type, count: int | None = None) -> Callable[[Numbers], tuple[float, ...]]:
    """A reader of numbers separated by commas; `count` of them, any number for None."""

    def read(value: Numbers) -> tuple[float, ...]:
        parts = [v for v in value.split(",") if v.strip()] if isinstance(value, str) else list(value)
        try:
            numbers = tuple(kind(v) for v in parts)
        except (ValueError, TypeError) as error:
            raise UsageError(flag, f"{value!r} is not a list of numbers", "for instance 1,2,3") from error
        if count is not None and len(numbers) != count:
            raise UsageError(
                flag, f"{value!r} holds {len(numbers)} numbers, expected {count}", "separate them by commas"
            )
        return numbers

    return read


def names(flag: str, choices: Sequence[str], default: tuple[str, ...] = ()) -> Callable[[Names], tuple[str, ...]]:
    """A reader of names separated by commas, each one of `choices`; no name at all means `default`."""

    def read(value: Names) -> tuple[str, ...]:
        parts: Iterable[str] = value.split(",") if isinstance(value, str) else value
        chosen = tuple(n.strip() for n in parts if n.strip())
        for name in chosen:
            if name not in choices:
                raise UsageError(flag, f"does not know {name!r}", f"choose from {', '.join(choices)}")
        return chosen or default

    return read


def size(value: str | float) -> int:
    """Bytes, with K, M, G or T."""
    if not isinstance(value, str):
        return int(value)
    text = value.strip().upper().removesuffix("B").removesuffix("I")
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}.get(text[-1:], 1)
    try:
        return int(float(text.rstrip("KMGT")) * factor)
    except (ValueError, OverflowError) as error:
        raise UsageError("--max-ram", f"{value!r} is not a size", "for instance 2G or 800M") from error


def nodata(value: Nodata) -> tuple[tuple[float, float], ...]:
    """`VALUE[~TOLERANCE][,VALUE..]` as pairs of (value, tolerance); none at all for `none`."""
    if isinstance(value, (int, float)):
        return ((float(value), 0.0),)
    if not isinstance(value, str):
        return tuple((float(v), float(t)) for v, t in value)
    pairs: list[tuple[float, float]] = []
    if value.strip().lower() == "none":
        return ()
    for part in filter(None, (p.strip() for p in value.split(","))):
        number, _, tolerance = part.partition("~")
        try:
            pairs.append((float(number), float(tolerance or 0)))
        except ValueError as error:
            what = f"{part!r} is not VALUE or VALUE~TOLERANCE"
            raise UsageError("--nodata", what, "for instance 255~12 or 0") from error
    return tuple(pairs)


def distance(value: str | float) -> float:
    """Metres, of a number or a text with m or km."""
    found = re.fullmatch(r"\s*([\d.]+)\s*(km|m)?\s*", str(value).lower())
    try:
        if found is None:
            raise ValueError
        return float(found[1]) * (1000.0 if found[2] == "km" else 1.0)
    except ValueError as error:
        raise UsageError("--far", f"{value!r} is not a distance", "for instance 100km or 500m") from error


def overlap(value: str | int) -> str:
    """Pixels or per cent, as text: what per cent means depends on the patch size."""
    text = str(value).strip()
    try:
        float(text.removesuffix("%"))
    except ValueError as error:
        what = f"{text!r} is not a number of pixels or per cent"
        raise UsageError("--overlap", what, "for instance 128 or 25%") from error
    return text


def path(value: OnePath) -> Path:
    """One path; an empty text is none, as it would mean the current folder."""
    if value == "":
        raise UsageError("a path", "is empty", "name a file or folder, or leave the option out")
    return Path(value)


def paths(value: Paths) -> tuple[Path, ...]:
    """One path, or several."""
    return (path(value),) if isinstance(value, (str, os.PathLike)) else tuple(path(p) for p in value)


def models(value: Paths) -> tuple[Path, ...]:
    """Model files; the names of networks that come with geoseg stand for theirs."""
    return tuple(model_path(p) for p in paths(value))


def shard(value: Pair) -> tuple[int, int]:
    """(index from 0, count) of I/N, of `auto` (a job array's variables), or of auto/N where those give no size."""
    if not isinstance(value, str):
        return int(value[0]), int(value[1])
    index, _, count = value.partition("/")
    try:
        found = _of_array(count) if index == "auto" else (int(index) - 1, int(count))
    except KeyError as error:
        raise UsageError("--shard", f"{value!r}: {error} is not set", "name the shard as I/N") from error
    except ValueError as error:
        raise UsageError(
            "--shard", f"{value!r} is not a share of the blocks", "I/N like 1/4, auto or auto/N"
        ) from error
    if not 0 <= found[0] < found[1]:
        raise UsageError("--shard", f"{value!r} is shard {found[0] + 1} of {found[1]}", "I/N with I from 1 to N")
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


def day(value: str) -> str:
    """A date as YYYY-MM-DD; `today` stays as it is, "" too."""
    if value in ("", "today"):
        return value
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise UsageError("--date", f"{value!r} is not a date", "for instance 2026-11-21, or today") from error


def age(value: str | float) -> float:
    """A time span (12h, 14d, 8w) in seconds."""
    if not isinstance(value, str):
        return float(value)
    factor = {"h": 3600, "d": 86400, "w": 7 * 86400}.get(value[-1:])
    try:
        if factor is None:
            raise ValueError
        return float(value[:-1]) * factor
    except ValueError as error:
        raise UsageError("--younger-than", f"{value!r} is not a time span", "for instance 12h, 14d or 8w") from error


def label_classes(value: LabelClasses) -> tuple[tuple[str, str], ...]:
    """`LABEL=CLASS` texts as pairs."""
    pairs = []
    for one in value:
        label, equals, name = one.partition("=") if isinstance(one, str) else (one[0], "=", one[1])
        if not equals:
            raise UsageError("--class", f"{one!r}, expected LABEL=CLASS", "for instance 1=building")
        pairs.append((label.strip(), name.strip()))
    return tuple(pairs)


def has_controls(text: str) -> bool:
    """Whether a text holds characters that no XML may hold: control characters, half pairs, and U+FFFE, U+FFFF."""
    return any(unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff" for c in text)


def file_name(value: str) -> str:
    """The start of file names; UsageError for what would lie in another folder, or be hidden."""
    if has_controls(value):
        raise UsageError("--name", f"{value!r} holds control characters", "name the outputs with --name")
    if Path(value).name != value or value.startswith("."):
        raise UsageError("--name", f"{value!r} is not the start of a file name", "leave out folders and leading dots")
    return value

"""What a user asks for, as option values: names are known, values are read and within their bounds.

The same for the command line, a config and the keywords of Python functions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar

from geoseg.errors import UsageError
from geoseg.options import STAGES, ChangesOptions, EvaluateOptions, Option, RunOptions, known

__all__ = ["run_options", "split", "stage_options"]

A = TypeVar("A")
B = TypeVar("B")


def stage_options(kind: type[A], values: Mapping[str, object]) -> A:
    """One of the option values out of what a user wrote; None leaves an option at its default.

    Raises:
        UsageError: a name that no option has (it names the nearest one), or a value that is none.
    """
    options = known(kind)
    refuse_unknown(values, options)
    return kind(**{name: checked(name, options[name], v) for name, v in values.items() if v is not None})


def run_options(values: Mapping[str, object]) -> RunOptions:
    """The options of a whole night out of what a user wrote; errors as of `stage_options`."""
    refuse_unknown(values, [name for kind in STAGES.values() for name in known(kind)])
    parts: dict[str, Any] = {}
    for stage, kind in STAGES.items():
        names = known(kind).keys() - ({"overwrite"} if stage == "mosaic" else set())  # outputs follow by their keys
        parts[stage] = stage_options(kind, {n: v for n, v in values.items() if n in names})
    return RunOptions(**parts)


def split(values: Mapping[str, object], first: type[A], second: type[B]) -> tuple[A, B]:
    """Options of two values, sorted into them; errors as of `stage_options`."""
    refuse_unknown(values, [*known(first), *known(second)])
    mine, other = ({n: v for n, v in values.items() if n in known(kind)} for kind in (first, second))
    return stage_options(first, mine), stage_options(second, other)


def refuse_unknown(values: Iterable[str], names: Iterable[str]) -> None:
    """UsageError for a name that no option has."""
    names = list(names)
    for name in values:
        if name not in names:
            near = get_close_matches(name, names, 1)
            cure = f"did you mean {near[0]!r}?" if near else f"known options: {', '.join(sorted(names))}"
            raise UsageError(name, "is no option", cure)


def checked(name: str, one: Option, value: object) -> object:
    """A value as the stages take it: read, and within its choices and bounds."""
    flag = one.flags[-1].partition("/")[0] if one.flags else "--" + name.replace("_", "-")
    if one.read is not None:
        if isinstance(value, bool):
            raise UsageError(flag, f"{value!r} is no value of it", one.help)
        return one.read(value)
    if one.choices and value not in one.choices:
        raise UsageError(flag, f"{value!r}", f"choose from {', '.join(one.choices)}")
    if one.least is not None or one.most is not None:
        _check_bounds(flag, one, value)
    return value


def _check_bounds(flag: str, one: Option, value: object) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise UsageError(flag, f"{value!r} is no number", "give a number")
    low = one.least is not None and (value < one.least or (one.above and value == one.least))
    if low or (one.most is not None and value > one.most):
        limits = f"{'above' if one.above else 'at least'} {one.least:g}" + (
            f", at most {one.most:g}" if one.most else ""
        )
        raise UsageError(flag, f"{value!r}, expected a number of {limits}", "correct it")


def keywords_text() -> str:
    """The source of `geoseg.keywords`: each option with the type of what Python functions take for it."""
    lines = [
        '"""Keywords of the Python functions, as type checkers want them.',
        "",
        "Written by `python -m geoseg.request`; a test compares it with `geoseg.options`.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import TypedDict",
        "",
        "from geoseg.parse import LabelClasses, Names, Nodata, Numbers, OnePath, Pair, Paths",
        "",
    ]
    order = ("work", "tile", "infer", "mosaic", "night")
    groups = {**{name.title(): STAGES[name] for name in order}, "Evaluate": EvaluateOptions, "Changes": ChangesOptions}
    for name, kind in groups.items():
        base = {"Infer": "WorkKeywords", "Mosaic": "WorkKeywords"}.get(name, "TypedDict")
        lines += [
            "",
            f"class {name}Keywords({base}, total=False):",
            f'    """Keywords out of `{kind.__name__}`."""',
            "",
        ]
        shared = known(STAGES["work"]) if base == "WorkKeywords" else {}
        lines += [f"    {n}: {_accepted(kind, n, one)}" for n, one in known(kind).items() if n not in shared]
        lines.append("")
    lines += ["", "class RunKeywords(TileKeywords, InferKeywords, MosaicKeywords, NightKeywords, total=False):"]
    lines += ['    """Keywords of a whole night."""', ""]
    return "\n".join(lines)


def _accepted(kind: type, name: str, one: Option) -> str:
    """Type of what a keyword takes: that of its reader's argument, else of the option itself."""
    if one.read is not None:
        text = str(one.read.__annotations__["value"])
        return text if "None" in text else f"{text} | None"
    return str(next(f.type for f in fields(kind) if f.name == name))


if __name__ == "__main__":
    sys.stdout.write(keywords_text())

"""What is known of an option: its help, heading, flags, bounds, and whether it changes results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from geoseg.layers import ROLES

__all__ = [
    "HELP_GROUPS",
    "READ_TIMEOUT",
    "SMALLEST",
    "Option",
    "known",
    "option",
    "read_timeout",
    "result_values",
    "seconds",
]

HELP_GROUPS = (
    "Sheets",
    "Bands and no data",
    "Grid and area",
    "Plan",
    "Network",
    "Outputs",
    "Polygons and lines",
    "Labels",
    "What counts",
    "With a model",
    "Computing",
    "Nights",
    "Messages and exit code",
)
"""Headings of the options in the help of commands and in the docs, in their order."""
READ_TIMEOUT = 25.0
"""Seconds without a sign of life (16 MB of pixels, or a header) after which a decoder is ended."""
SMALLEST = f"{min(r.min_area for r in ROLES.values()):g} to {max(r.min_area for r in ROLES.values()):g}"


@dataclass(frozen=True)
class Option:
    """What is known of one option besides its name, type and default.

    `group`: under which heading of `HELP_GROUPS` it stands in the help and the docs;
    `flags`: on the command line, where they are not `--name`; none at all for what only a config or Python can say;
    `key`: in a config, where it is not the name, "" for not there; `read`: turns what users write into a value;
    `many`: on the command line it is given once for each of its values;
    `least` and `most` bound numbers, `above` leaves the lower bound itself out; `results`: whether it changes the
    results.
    """

    help: str
    group: str = ""
    flags: tuple[str, ...] | None = None
    key: str | None = None
    metavar: str = ""
    many: bool = False
    read: Callable[[Any], Any] | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    above: bool = False
    results: bool = True


def option(default: Any, text: str, **facts: Any) -> Any:
    """A field of one of the option values below."""
    return field(default=default, metadata={"option": Option(text, **facts)})


def seconds(default: float, text: str, **facts: Any) -> Any:
    """How long something may take."""
    return option(default, text, metavar="SECONDS", results=False, least=0, most=86_400, above=True, **facts)


def read_timeout(**facts: Any) -> Any:
    """How long a sheet may take; all three stages read sheets."""
    return seconds(
        READ_TIMEOUT,
        "A sheet that takes longer than this for 16 MB of pixels, twice, is quarantined.",
        group="Sheets",
        **facts,
    )


def known(kind: type) -> dict[str, Option]:
    """The options of a value above, by name."""
    return {f.name: f.metadata["option"] for f in fields(kind)}


def result_values(options: Any) -> dict[str, Any]:
    """What decides results, by name: whatever goes into a key."""
    return {name: getattr(options, name) for name, one in known(type(options)).items() if one.results}

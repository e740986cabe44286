"""A part of a remote file, and what its server says of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from geoseg.errors import SheetChanged

__all__ = ["TRY_AGAIN", "Part", "Ranges", "changed"]

TRY_AGAIN = "run geoseg tile and infer again when it answers, with a longer --read-timeout if it is slow"
"""What helps where a server does not answer."""


@dataclass(frozen=True)
class Part:
    """Bytes of a remote file.

    `size`: bytes of the whole file. `tag`: changes with its bytes (ETag), "" for unknown. `seconds`: when it was
    changed (Last-Modified), since 1970, 0 for unknown.
    """

    data: bytes
    size: int
    tag: str
    seconds: int


class Ranges(Protocol):
    """A remote file."""

    def read(self, first: int, last: int, deadline: float) -> Part:
        """The bytes from `first` up to but not including `last`, or up to the end of the file."""

    def close(self) -> None:
        """Close its connection."""


def changed(path: Path) -> SheetChanged:
    """The error of a file that was written again between two of its parts."""
    return SheetChanged(path, "was written again while it was read", "wait until it is complete, then run it again")

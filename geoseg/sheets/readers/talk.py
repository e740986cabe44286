"""What a decoder process and the process that asks it say to each other.

request (one JSON line) -> stdin      stdout -> frames: kind, length, body
kind "J": JSON, an answer, or {"error": [class, subject, what, cure]}
kind "P": pixels of some rows, band after band
kind "S": the same, in a half of the shared memory (`geoseg.sheets.readers.memory`); an empty line answers that it
          was copied out
"""

from __future__ import annotations

import struct
from typing import Literal, NotRequired, TypedDict

__all__ = ["COPIED", "FRAME", "Request"]

FRAME = struct.Struct("<cQ")
COPIED = b"\n"
"""The line that says that pixels were copied out of the shared memory."""


class Request(TypedDict):
    """One request. "header" needs `codes`, `folders` and `remote`, "read" the others; `decoder.PixelRequest` explains.

    "stat" is for remote sheets; "rows" asks for the rows of the blocks that the file has, and needs `stat`, `virtual`.
    """

    do: Literal["header", "read", "rows", "stat", "forget"]
    path: str
    patience: NotRequired[float]
    codes: NotRequired[bool]
    remote: NotRequired[bool]
    stat: NotRequired[list[int]]
    bands: NotRequired[list[int]]
    window: NotRequired[list[int]]
    cache: NotRequired[int]
    holes: NotRequired[bool]
    virtual: NotRequired[str]
    folders: NotRequired[list[str] | None]

"""Whether a JPEG 2000 file is all there: OpenJPEG decodes files that were cut short, and says nothing."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

from geoseg.errors import SheetError

__all__ = ["check_complete", "check_stream"]

CODE_STREAM = b"\xff\x4f\xff\x51"
"""How a code stream begins; it ends with `END` (ISO/IEC 15444-1, annex A.4)."""
END = b"\xff\xd9"
MOST_BOXES = 1000


def check_complete(path: Path) -> None:
    """`check_stream` of a file on disk."""
    with path.open("rb") as file:
        check_stream(path, file, path.stat().st_size)


def check_stream(path: Path, file: BinaryIO | io.RawIOBase, size: int) -> None:
    """Check that the code stream of a JPEG 2000 file ends where it says, with the mark of its end.

    Args:
        path: names the file in errors.
        file: at its first byte.
        size: its bytes.

    Raises:
        SheetError: it does not, or there is none.
    """
    end = size if file.read(4) == CODE_STREAM else _end_of_stream(file, size)
    if end <= size:
        file.seek(end - len(END))
        if file.read(len(END)) == END:
            return
    raise SheetError(path, "is damaged: its JPEG 2000 code stream does not end", "copy it again")


def _end_of_stream(file: BinaryIO | io.RawIOBase, size: int) -> int:
    """The first byte after the box that holds the code stream (annex I.4); beyond the file where there is none."""
    at = 0
    for _ in range(MOST_BOXES):
        file.seek(at)
        head = file.read(16) or b""
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
        elif length == 0:
            length = size - at
        if kind == b"jp2c":
            return int(at + length)
        if length < 8:
            break
        at += length
    return size + 1

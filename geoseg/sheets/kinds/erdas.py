"""Whether an ERDAS Imagine file (.img) is all there is: it may name other files, which GDAL would open.

The file is a tree of named entries (ERDAS Field Guide, "Hierarchical File Architecture System"). GDAL opens another
file for pixels that lie elsewhere (`ExternalRasterDMS`) and for the rest of a pair (`DependentFile`). Smaller copies of
the picture may lie elsewhere, too (`RRDNamesList`): GDAL opens them only where somebody asks for them, and nobody does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from geoseg.errors import SheetError

__all__ = ["SIGNATURE", "check_alone", "is_erdas"]

SIGNATURE = b"EHFA_HEADER_"
"""The first 12 of 16 bytes."""
MOST_ENTRIES = 100_000
_HEADER = struct.Struct("<iIIhI")
"""Version, free list, root entry, bytes of an entry, dictionary."""
_ENTRY = struct.Struct("<IIIIIi64s32s")
"""Next, previous, parent, child, data, bytes of data, name, type."""
_ELSEWHERE = {
    b"externalrasterdms": "keeps its pixels in another file (.ige)",
    b"imgexternalraster": "keeps its pixels in another file (.ige)",
    b"dependentfile": "depends on another file",
    b"eimg_dependentfile": "depends on another file",
}
"""Names and types of entries that send GDAL to another file, in small letters."""


def is_erdas(path: Path) -> bool:
    """Whether a file begins as an ERDAS Imagine file; False where it cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def check_alone(path: Path) -> None:
    """Check that an ERDAS Imagine file names no other file.

    Raises:
        SheetError: it does, or its entries cannot be followed.
    """
    with path.open("rb") as file:
        try:
            for word in _words(file):
                if what := _ELSEWHERE.get(word):
                    raise SheetError(path, what, "make one file of it: gdal_translate -of GTiff IN.img OUT.tif")
        except (struct.error, ValueError) as error:
            raise SheetError(path, f"is damaged: {error}", "copy it again") from error


def _words(file: BinaryIO) -> Iterator[bytes]:
    """Name and type of each entry, in small letters.

    Raises:
        struct.error: an entry lies beyond the end of the file.
        ValueError: there are too many, or they go in circles.
    """
    file.seek(16)
    (start,) = struct.unpack("<I", file.read(4))
    file.seek(start)
    waiting, seen = [_HEADER.unpack(file.read(_HEADER.size))[2]], set[int]()
    while waiting:
        place = waiting.pop()
        if not place:
            continue
        if place in seen or len(seen) >= MOST_ENTRIES:
            raise ValueError("its entries go in circles" if place in seen else "it has too many entries")
        seen.add(place)
        file.seek(place)
        following, _, _, child, _, _, name, kind = _ENTRY.unpack(file.read(_ENTRY.size))
        yield from (word.split(b"\0")[0].lower() for word in (name, kind))
        waiting += [following, child]

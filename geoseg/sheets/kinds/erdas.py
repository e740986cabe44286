"""Whether an ERDAS Imagine file (.img) is all there is: it may name other files, which GDAL would open.

The file is a tree of named entries (ERDAS Field Guide, "Hierarchical File Architecture System"). GDAL opens another
file for pixels that lie elsewhere (`ExternalRasterDMS`), for the rest of a pair (`DependentFile`), and for smaller
copies of the picture that lie elsewhere (`RRDNamesList`).
"""

from __future__ import annotations

import re
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
_SMALLER = {b"rrdnameslist", b"eimg_rrdnameslist"}
_LARGEST_LIST = 1 << 20
"""Bytes of the names of smaller copies."""


def is_erdas(path: Path) -> bool:
    """Whether a file begins as an ERDAS Imagine file; False where it is no regular file, or cannot be opened."""
    if not path.is_file():  # a pipe would never answer
        return False
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
            for words, data in _entries(file):
                what = next((_ELSEWHERE[w] for w in words if w in _ELSEWHERE), "") or _smaller_elsewhere(path, data)
                if what:
                    raise SheetError(path, what, "make one file of it: gdal_translate -of GTiff IN.img OUT.tif")
        except (struct.error, ValueError) as error:
            raise SheetError(path, f"is damaged: {error}", "copy it again") from error


def _smaller_elsewhere(path: Path, data: bytes) -> str:
    """What is wrong with a list of smaller copies, `FILE(:Layer_1:_ss_2_)`: they must lie in the file itself."""
    names = re.findall(rb"([^\0]+)\(:", data)
    other = next((n for n in names if n.lower() != path.name.lower().encode()), None)
    return "" if other is None else f"keeps smaller copies of its picture in {other.decode('latin-1')!r:.80}"


def _entries(file: BinaryIO) -> Iterator[tuple[set[bytes], bytes]]:
    """Name and type of each entry, in small letters, and its data where it lists smaller copies.

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
        following, _, _, child, data, size, name, kind = _ENTRY.unpack(file.read(_ENTRY.size))
        words = {word.split(b"\0")[0].lower() for word in (name, kind)}
        file.seek(data)
        yield words, file.read(min(max(size, 0), _LARGEST_LIST)) if words & _SMALLER else b""
        waiting += [following, child]

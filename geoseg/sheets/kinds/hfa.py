"""ERDAS Imagine files (.img): those that name other files are refused before GDAL opens them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from geoseg.errors import SheetError

__all__ = ["SIGNATURE", "check_alone"]

SIGNATURE = b"EHFA_HEADER_"
CHUNK = 8 << 20
_NAMES = (b"externalrasterdms\0", b"dependentfile\0")
"""Names and types of the nodes that point to other files; GDAL does not mind upper or lower case."""


def check_alone(path: Path, stat: tuple[int, int]) -> None:
    """Check that a file holds all its pixels itself: it is searched once for each `stat` key.

    Raises:
        SheetError: it names another file.
    """
    if _names_others(path, stat):
        what = "keeps pixels in another file (.ige, or the image that it depends on)"
        raise SheetError(path, what, "make one file of it with gdal_translate -of GTiff")


@lru_cache(maxsize=4096)
def _names_others(path: Path, stat: tuple[int, int]) -> bool:
    spare = max(map(len, _NAMES)) - 1
    with path.open("rb") as file:
        before = b""
        while part := file.read(CHUNK):
            text = before + part.lower()
            if any(name in text for name in _NAMES):
                return True
            before = text[-spare:]
    return False

"""The door for plain PNG and JPEG images (VOC, Cityscapes, exported crops): they have no place on Earth.

As with sheets: regular files with the right signature, declared size checked before pixels are decoded.
"""

from __future__ import annotations

import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from geoseg.errors import SheetError

__all__ = ["SUFFIXES", "picture_size", "read_picture"]

SUFFIXES = (".png", ".jpg", ".jpeg")
MOST_PIXELS = 500_000_000

_SIGNATURES = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG"}


def _opened(path: Path) -> Image.Image:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SheetError(path, "is not a regular file", "name PNG or JPEG files")
        with path.open("rb") as file:
            start = file.read(4)
        kind = next((k for s, k in _SIGNATURES.items() if start.startswith(s)), None)
        if kind is None:
            raise SheetError(path, f"is neither PNG nor JPEG (it starts with {start!r})", "convert it")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit follows
            image = Image.open(path, formats=[kind])
    except OSError as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SheetError(path, f"cannot be opened: {reason}", "check the path, or copy it again") from error
    if image.width * image.height > MOST_PIXELS:
        raise SheetError(path, f"declares {image.width} x {image.height} px, expected up to {MOST_PIXELS:,}", "cut it")
    return image


def picture_size(path: Path) -> tuple[int, int]:
    """(rows, columns), without decoding pixels.

    Raises:
        SheetError: not there, neither PNG nor JPEG, or too large.
    """
    with _opened(path) as image:
        return image.height, image.width


def read_picture(path: Path, mode: str = "RGB") -> npt.NDArray[Any]:
    """Pixels (C, H, W) as uint8 in mode "RGB"; "as is" keeps palette indices (1, H, W) and 16-bit values.

    Raises:
        SheetError: also for damage met while decoding.
    """
    with _opened(path) as image:
        try:
            pixels = np.asarray(image if mode == "as is" else image.convert(mode))
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
            raise SheetError(path, f"is damaged: {error}", "copy it again") from error
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(np.moveaxis(pixels, 2, 0))

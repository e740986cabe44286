"""The door for plain PNG and JPEG images (VOC, Cityscapes, exported crops): they have no place on Earth.

As with sheets: regular files with the right signature, declared size checked before pixels are decoded.
"""

from __future__ import annotations

import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from geoseg.arrays import Image
from geoseg.errors import SheetError

__all__ = ["SUFFIXES", "picture_bands", "picture_size", "read_picture"]

SUFFIXES = (".png", ".jpg", ".jpeg")
MOST_PIXELS = 500_000_000

_SIGNATURES = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG"}


def _open(path: Path) -> Pillow.Image:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SheetError(path, "is not a regular file", "name PNG or JPEG files")
        with path.open("rb") as file:
            start = file.read(4)
        kind = next((k for s, k in _SIGNATURES.items() if start.startswith(s)), None)
        if kind is None:
            raise SheetError(path, f"is neither PNG nor JPEG (it starts with {start!r})", "convert it to PNG")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # our own limit follows
            image = Pillow.open(path, formats=[kind])
    except OSError as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SheetError(path, f"cannot be opened: {reason}", "check the path, or copy it again") from error
    if image.width * image.height > MOST_PIXELS:
        raise SheetError(path, f"declares {image.width} x {image.height} px, expected up to {MOST_PIXELS:,}", "cut it")
    return image


def picture_size(path: Path) -> tuple[int, int]:
    """(rows, columns) of a picture; its pixels are not decoded.

    Raises:
        SheetError: it is not there, neither PNG nor JPEG, or too large.
    """
    with _open(path) as image:
        return image.height, image.width


def picture_bands(path: Path) -> int:
    """Bands of a picture as it is stored: 1 of a palette; its pixels are not decoded. Errors as of `picture_size`."""
    with _open(path) as image:
        return len(image.getbands())


def read_picture(path: Path, mode: str = "RGB", shape: tuple[int, int] | None = None) -> Image:
    """Pixels of a picture: uint8 (3, H, W) in mode "RGB"; "as is" keeps palette indices (1, H, W) and 16-bit values.

    `shape`: (rows, columns) that it is resampled to, with an antialiased bilinear filter.

    Raises:
        SheetError: it cannot be opened, or is damaged.
    """
    with _open(path) as image:
        try:
            shown = image if mode == "as is" else image.convert(mode)
            if shape is not None:
                shown = shown.resize((shape[1], shape[0]), Pillow.Resampling.BILINEAR)
            pixels = np.asarray(shown)
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
            raise SheetError(path, f"is damaged: {error}", "copy it again") from error
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(np.moveaxis(pixels, 2, 0))

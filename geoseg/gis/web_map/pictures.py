"""Pictures of tiles: how one is made half as wide, whether it shows anything, and its bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, Colour

__all__ = ["CONFIDENCE_STEP", "Kind", "confidence_colours", "distinct", "paletted", "photo"]

QUALITY = 82
EFFORT = 2
"""Of WEBP, 0 to 6: the next ones take longer for a few per cent less."""
CONFIDENCE_STEP = 5
"""Per cent between two colours of confidence: finer ones are noise to the eye, and three times the bytes."""
_DOUBT = (
    (0, (178, 24, 43)), (50, (239, 138, 98)), (70, (253, 219, 199)), (85, (224, 224, 224)), (100, (247, 247, 247)),
)  # fmt: skip
"""Per cent and colour, as in the style of confidence rasters."""


@dataclass(frozen=True)
class Kind:
    """What can be done with the tiles of a picture.

    Attributes:
        suffix: of its files: webp or png.
        shrink: a picture (2H, 2W, ...) to one (H, W, ...).
        blank: whether a picture shows nothing.
        encode: a picture to a file's bytes.
    """

    suffix: str
    shrink: Callable[[Bytes], Bytes]
    blank: Callable[[Bytes], bool]
    encode: Callable[[Bytes], bytes]


def photo() -> Kind:
    """Photos: RGB and opacity (H, W, 4); smaller ones are means of what is opaque."""
    return Kind("webp", _mean_colour, lambda pixels: not pixels[..., 3].any(), _webp)


def paletted(colours: Sequence[Colour], shrink: str, step: int = 1) -> Kind:
    """Values (H, W) that stand for colours, 255 for nothing.

    Args:
        colours: by value.
        shrink: "mode" or "mean".
        step: values are rounded to its multiples, but only in files: means are of the values themselves.
    """
    flat = np.full((256, 3), 0, np.uint8)
    flat[: len(colours)] = colours
    palette = flat.tobytes()
    return Kind("png", {"mode": _mode, "mean": _mean}[shrink], lambda v: bool((v == NODATA).all()), _png(palette, step))


def _webp(pixels: Bytes) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels if (pixels[..., 3] < 255).any() else np.ascontiguousarray(pixels[..., :3]))
    image.save(buffer, "WEBP", quality=QUALITY, method=EFFORT)
    return buffer.getvalue()


def _png(palette: bytes, step: int) -> Callable[[Bytes], bytes]:
    rounded = np.minimum((np.arange(256) + step // 2) // step * step, NODATA - 1).astype(np.uint8)
    rounded[NODATA] = NODATA

    def encode(values: Bytes) -> bytes:
        buffer = io.BytesIO()
        image = Image.fromarray(rounded[values], "L")
        image.putpalette(palette)
        image.save(buffer, "PNG", transparency=NODATA, compress_level=3)
        return buffer.getvalue()

    return encode


def _quarters(pixels: Bytes) -> list[Bytes]:
    return [pixels[i::2, j::2] for i in (0, 1) for j in (0, 1)]


def _mean_colour(pixels: Bytes) -> Bytes:
    """Means of two by two pixels, by their opacity."""
    return np.asarray(Image.fromarray(pixels).reduce(2), np.uint8)


def _mean(values: Bytes) -> Bytes:
    """Means of those of two by two values that are none of `NODATA`."""
    parts = _quarters(values)
    many = sum(((p != NODATA).astype(np.uint16) for p in parts), np.zeros(parts[0].shape, np.uint16))
    whole = sum((np.where(p == NODATA, 0, p).astype(np.uint16) for p in parts), np.zeros(parts[0].shape, np.uint16))
    return np.where(many > 0, (whole + many // 2) // np.maximum(many, 1), NODATA).astype(np.uint8)


def _mode(values: Bytes) -> Bytes:
    """The value that two by two pixels have most often, of equals the first; `NODATA` only where all are."""
    parts = _quarters(values)
    best, votes = np.full(parts[0].shape, NODATA, np.uint8), np.zeros(parts[0].shape, np.int8)
    for part in parts:
        many = sum(((part == other).astype(np.int8) for other in parts), np.zeros(parts[0].shape, np.int8))
        better = (many > votes) & (part != NODATA)
        best, votes = np.where(better, part, best), np.where(better, many, votes)
    return best


def distinct(colours: Sequence[Colour]) -> list[Colour]:
    """The same colours, moved by a little where two are equal: the page tells values by the colours of pixels."""
    taken: set[Colour] = set()
    out = []
    for colour in colours:
        red, green, blue = colour
        while (red, green, blue) in taken:
            blue = (blue + 1) % 256
            green = (green + 1) % 256 if blue == colour[2] else green
        taken.add((red, green, blue))
        out.append((red, green, blue))
    return out


def confidence_colours() -> list[Colour]:
    """The colour of each per cent of confidence, 0 to 100: red where it is low, pale where it is high."""
    marks = [p for p, _ in _DOUBT]
    bands = [np.interp(np.arange(101), marks, [c[k] for _, c in _DOUBT]).round().astype(int) for k in range(3)]
    return distinct([(int(r), int(g), int(b)) for r, g, b in zip(*bands, strict=True)])

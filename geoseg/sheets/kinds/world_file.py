"""World files: six numbers beside a raster that say where it lies."""

from __future__ import annotations

from pathlib import Path

from rasterio.transform import Affine

from geoseg.errors import SheetError

__all__ = ["read_world_file", "world_files"]

LARGEST = 4096
"""Bytes."""


def world_files(path: Path) -> list[Path]:
    """The names that a world file of a raster may have: for `a.png` they are a.pgw, a.pngw and a.wld."""
    kind = path.suffix.lower().lstrip(".").replace("tiff", "tif").replace("jpeg", "jpg")
    short = f".{kind[:1]}{kind[-1:]}w"
    return [path.with_suffix(s) for s in (short, short.upper(), f".{kind}w", f".{kind}w".upper(), ".wld")]


def read_world_file(path: Path) -> Affine | None:
    """The place that the world file beside a raster gives, by the centre of the upper left pixel; None without one.

    Raises:
        SheetError: it does not hold six numbers.
    """
    for beside in world_files(path):
        if not beside.is_file() or beside.stat().st_size > LARGEST:
            continue
        try:
            a, d, b, e, c, f = (float(v.replace(",", ".")) for v in beside.read_text("ascii").split())
        except ValueError as error:
            raise SheetError(beside, "is not a world file of six numbers", "correct or delete it") from error
        return Affine(a, b, c, d, e, f) @ Affine.translation(-0.5, -0.5)
    return None

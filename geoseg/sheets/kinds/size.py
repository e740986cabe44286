"""What a file declares of its size, compared with what it can hold, before its pixels take memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader

from geoseg.errors import SheetError

__all__ = ["check_size"]

MOST_BANDS = 32
LARGEST_BLOCK = 512 << 20
"""Bytes of one decoded block."""
LARGEST_SIDE = 2_000_000
"""Pixels of one side."""
LARGE = 16 << 30
"""Bytes of pixels from which on a sheet must not expand too much."""
MOST_EXPANSION = 2_000
"""Decoded bytes per byte of file: an empty DEFLATE tile reaches about 1000."""


def check_size(path: Path, actual: int, dataset: DatasetReader, dtypes: tuple[str, ...]) -> None:
    """Refuse a sheet that declares more than geoseg reads.

    Args:
        path: names the sheet in errors.
        actual: bytes of its file.
        dataset: the sheet, opened.
        dtypes: data types that it may have.

    Raises:
        SheetError: too many bands, too large a side or block, an unknown data type, or too many pixels for the file.
    """
    if dataset.count > MOST_BANDS:
        what = f"declares {dataset.count} bands, expected at most {MOST_BANDS}"
        raise SheetError(path, what, "pick bands with gdal_translate -b")
    if max(dataset.width, dataset.height) > LARGEST_SIDE:
        what = f"declares {dataset.width} x {dataset.height} px, expected sides up to {LARGEST_SIDE}"
        raise SheetError(path, what, "cut it")
    if any(dtype not in dtypes for dtype in dataset.dtypes):
        what = f"has data type {dataset.dtypes[0]}, expected one of {', '.join(dtypes)}"
        raise SheetError(path, what, "convert it with gdal_translate -ot")
    rows, cols = dataset.block_shapes[0]
    width = np.dtype(dataset.dtypes[0]).itemsize
    planes = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    size = rows * cols * width * planes
    if size > LARGEST_BLOCK:
        what = f"has blocks of {cols} x {rows} px ({size >> 20} MiB decoded), expected up to {LARGEST_BLOCK >> 20} MiB"
        raise SheetError(path, what, "rewrite it with gdal_translate -co TILED=YES")
    declared = dataset.width * dataset.height * dataset.count * width
    if declared > LARGE and declared > MOST_EXPANSION * actual:
        what = f"declares {declared:,} bytes of pixels in a file of {actual:,}"
        raise SheetError(path, what, "it looks damaged or hostile")

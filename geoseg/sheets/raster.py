"""Windows of single rasters, through the same door as sheets; files stay open between windows, and a file written again is opened again."""

from __future__ import annotations

from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geoseg.errors import SheetError
from geoseg.sheets.door import gdal_settings, open_sheet, stat_key

__all__ = ["raster_window"]


class _Kept:
    """A dataset and what closes it."""

    def __init__(self, path: str) -> None:
        self.stack = ExitStack()
        self.dataset: DatasetReader = self.stack.enter_context(open_sheet(Path(path)))

    def __del__(self) -> None:
        self.stack.close()


@lru_cache(maxsize=24)
def _opened(path: str, stat: tuple[int, int]) -> _Kept:
    return _Kept(path)


def raster_window(path: str, bands: tuple[int, ...], window: Window) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Pixels (C, H, W) of some 1-based bands, and validity (H, W) by the file's own mask or no-data value.

    Raises:
        SheetError: not there, no GeoTIFF, or damaged.
    """
    with rasterio.Env(**gdal_settings()):
        dataset = _opened(path, stat_key(Path(path))).dataset
        try:
            return dataset.read(list(bands), window=window), dataset.dataset_mask(window=window) > 0
        except RasterioError as error:
            raise SheetError(path, f"is damaged: {error.__cause__ or error}", "copy it again") from error

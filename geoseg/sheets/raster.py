"""Windows of single rasters, through the same door as sheets.

Files stay open between windows; a file that is written again is opened again.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geoseg.arrays import Image, Valid
from geoseg.errors import SheetError
from geoseg.sheets.door import CODE_DTYPES, gdal_settings, open_sheet, stat_key

__all__ = ["raster_window"]


class _Kept:
    """An open dataset, closed when it is dropped from the cache."""

    def __init__(self, path: str) -> None:
        self.stack = ExitStack()
        self.dataset: DatasetReader = self.stack.enter_context(open_sheet(Path(path), dtypes=CODE_DTYPES))

    def __del__(self) -> None:
        self.stack.close()


@lru_cache(maxsize=24)
def _open(path: str, stat: tuple[int, int]) -> _Kept:
    return _Kept(path)


def raster_window(path: str, bands: tuple[int, ...], window: Window) -> tuple[Image, Valid]:
    """Pixels (C, H, W) of some bands (1-based), and their validity (H, W) by the file's own mask or no-data value.

    Raises:
        SheetError: the file is not there, no GeoTIFF, or damaged.
    """
    with rasterio.Env(**gdal_settings()):
        dataset = _open(path, stat_key(Path(path))).dataset
        try:
            return dataset.read(list(bands), window=window), dataset.dataset_mask(window=window) > 0
        except RasterioError as error:
            raise SheetError(path, f"is damaged: {error.__cause__ or error}", "copy it again") from error

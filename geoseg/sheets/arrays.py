"""An array in memory, or an open dataset, as a source of windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Image, Valid
from geoseg.errors import UsageError
from geoseg.geometry.grid import overlap, slices
from geoseg.geometry.ground import is_geographic, metres_per_unit

__all__ = ["ImageSource", "image_source"]

Read = Callable[[Window], tuple[Image, Valid]]
Slices = tuple[slice, slice]
"""Rows and columns."""


class _Place(Protocol):
    """An array's place on Earth, as rioxarray gives it (`.rio`)."""

    crs: CRS | None
    nodata: float | None

    def transform(self) -> Affine: ...


@dataclass(frozen=True)
class ImageSource:
    """Pixels by window.

    `read` gives pixels (C, h, w) and validity (h, w) of any window, also beyond the image, where it is not valid.
    `shape`: (rows, columns). `gsd`: metres on the ground per pixel, None where the image has no place on Earth.
    """

    read: Read
    shape: tuple[int, int]
    gsd: float | None

    @property
    def window(self) -> Window:
        """The whole image."""
        return Window(0, 0, self.shape[1], self.shape[0])


def image_source(image: DatasetReader | npt.ArrayLike, bands: int) -> ImageSource:
    """A source of the first bands of an array (C, H, W), an xarray DataArray, or an open rasterio dataset.

    Raises:
        UsageError: it is none of these, or has too few bands.
    """
    count: int
    if hasattr(image, "read") and hasattr(image, "dataset_mask"):
        dataset: DatasetReader = image
        source, count = _from_dataset(dataset, bands), dataset.count
    else:
        pixels = np.asarray(image)  # a DataArray is an array too
        if pixels.ndim != 3:
            raise UsageError("image", f"shape {pixels.shape}, expected (bands, height, width)", "transpose it")
        source, count = _from_array(pixels[:bands], getattr(image, "rio", None)), len(pixels)
    if count < bands:
        raise UsageError("image", f"has {count} bands, the network wants {bands}", "give the bands that its card names")
    return source


def _from_array(pixels: Image, place: _Place | None) -> ImageSource:
    shape = pixels.shape[1], pixels.shape[2]
    valid: Valid = np.ones(shape, bool)
    if pixels.dtype.kind == "f":
        valid &= np.isfinite(pixels).all(0)
    nodata = None if place is None else place.nodata
    if nodata is not None:
        valid &= (pixels != nodata).any(0)
    read = _reader(shape, lambda part: (pixels[(slice(None), *part)], valid[part]))
    return ImageSource(read, shape, None if place is None else _gsd(place.transform(), place.crs, shape))


def _from_dataset(dataset: DatasetReader, bands: int) -> ImageSource:
    def cut(part: Slices) -> tuple[Image, Valid]:
        window = Window.from_slices(*part)
        pixels = dataset.read(list(range(1, bands + 1)), window=window)
        return pixels, dataset.dataset_mask(window=window) > 0

    return ImageSource(_reader(dataset.shape, cut), dataset.shape, _gsd(dataset.transform, dataset.crs, dataset.shape))


def _reader(shape: tuple[int, int], cut: Callable[[Slices], tuple[Image, Valid]]) -> Read:
    """Windows of an image whose rows and columns `cut` gives; beyond it they are 0 and not valid."""
    whole = Window(0, 0, shape[1], shape[0])

    def read(window: Window) -> tuple[Image, Valid]:
        high, wide = int(window.height), int(window.width)
        both = overlap(whole, window)
        part = (slice(0, 0), slice(0, 0)) if both is None else slices(both, whole)
        pixels, good = cut(part)
        image, valid = np.zeros((len(pixels), high, wide), pixels.dtype), np.zeros((high, wide), bool)
        if both is not None:
            here = slices(both, window)
            image[(slice(None), *here)], valid[here] = pixels, good
        return image, valid

    return read


def _gsd(transform: Affine, crs: CRS | None, shape: tuple[int, int]) -> float | None:
    """Metres on the ground per pixel at the centre; None where the image has no place on Earth, or lies in degrees."""
    if crs is None or transform.is_identity or is_geographic(crs.to_wkt()):
        return None
    x, y = transform @ (shape[1] / 2, shape[0] / 2)
    return float(np.sqrt(abs(transform.determinant)) * metres_per_unit(crs.to_wkt(), x, y))

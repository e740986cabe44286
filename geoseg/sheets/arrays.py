"""An image in memory, or an open dataset, as something that windows can be read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Image, Valid
from geoseg.errors import UsageError
from geoseg.geometry.grid import overlap, slices
from geoseg.geometry.ground import is_geographic, metres_per_unit

__all__ = ["ImageSource", "image_source"]

Read = Callable[[Window], tuple[Image, Valid]]


@dataclass(frozen=True)
class ImageSource:
    """`read` gives pixels (C, h, w) and validity (h, w) of any window, also beyond the image; `gsd` in metres, None where nobody knows."""

    read: Read
    shape: tuple[int, int]
    gsd: float | None

    @property
    def window(self) -> Window:
        """All of it."""
        return Window(0, 0, self.shape[1], self.shape[0])


def image_source(image: Any, bands: int) -> ImageSource:
    """A source of the first bands of an array (C, H, W), a rasterio dataset that is open, or an xarray DataArray.

    Raises:
        UsageError: it is none of these, or has too few bands.
    """
    if hasattr(image, "read") and hasattr(image, "dataset_mask"):
        source, count = _dataset(image, bands), image.count
    else:
        pixels = np.asarray(image)  # a DataArray is one too
        if pixels.ndim != 3:
            raise UsageError("image", f"shape {pixels.shape}, expected (bands, height, width)", "transpose it")
        source, count = _array(pixels[:bands], getattr(image, "rio", None)), len(pixels)
    if count < bands:
        raise UsageError("image", f"has {count} bands, the network wants {bands}", "give the bands that its card names")
    return source


def _array(pixels: Image, place: Any) -> ImageSource:
    shape = pixels.shape[1], pixels.shape[2]
    valid: Valid = np.ones(shape, bool)
    if pixels.dtype.kind == "f":
        valid &= np.isfinite(pixels).all(0)
    nodata = None if place is None else place.nodata
    if nodata is not None:
        valid &= (pixels != nodata).any(0)
    read = _reader(shape, lambda part: (pixels[(slice(None), *part)], valid[part]))
    return ImageSource(read, shape, None if place is None else _gsd(place.transform(), place.crs, shape))


def _dataset(dataset: Any, bands: int) -> ImageSource:
    def cut(part: tuple[slice, slice]) -> tuple[Image, Valid]:
        window = Window.from_slices(*part)
        pixels = dataset.read(list(range(1, bands + 1)), window=window)
        return pixels, dataset.dataset_mask(window=window) > 0

    return ImageSource(_reader(dataset.shape, cut), dataset.shape, _gsd(dataset.transform, dataset.crs, dataset.shape))


def _reader(shape: tuple[int, int], cut: Callable[[tuple[slice, slice]], tuple[Image, Valid]]) -> Read:
    """Windows of something that gives rows and columns; 0 and not valid beyond it."""
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


def _gsd(transform: Any, crs: Any, shape: tuple[int, int]) -> float | None:
    """Metres on the ground per pixel at the centre; None where the image lies nowhere, or in degrees."""
    if crs is None or transform.is_identity or is_geographic(crs.to_wkt()):
        return None
    x, y = transform @ (shape[1] / 2, shape[0] / 2)
    return float(np.sqrt(abs(transform.determinant)) * metres_per_unit(crs.to_wkt(), x, y))

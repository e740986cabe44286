"""Windows of single rasters."""

from __future__ import annotations

import os

import numpy as np
import pytest
from rasterio.windows import Window
from support import write_sheet

from geoseg.errors import SheetError
from geoseg.sheets.raster import raster_window

RNG = np.random.default_rng(1)


def test_windows_are_crops_in_the_bands_asked_for(tmp_path) -> None:
    pixels = RNG.integers(1, 255, (3, 50, 60)).astype(np.uint8)
    path = str(write_sheet(tmp_path / "a.tif", pixels))
    found, valid = raster_window(path, (3, 1), Window(7, 5, 20, 30))
    assert np.array_equal(found, pixels[[2, 0], 5:35, 7:27])
    assert valid.all()


def test_no_data_of_the_file_is_not_valid(tmp_path) -> None:
    pixels = RNG.integers(1, 5, (1, 20, 20)).astype(np.uint8)
    pixels[0, 3:6, 4] = 255
    path = str(write_sheet(tmp_path / "a.tif", pixels, nodata=255))
    _, valid = raster_window(path, (1,), Window(0, 0, 20, 20))
    assert np.array_equal(valid, pixels[0] != 255)


def test_a_file_written_again_is_opened_again(tmp_path) -> None:
    path = write_sheet(tmp_path / "a.tif", np.zeros((1, 9, 9), np.uint8))
    assert not raster_window(str(path), (1,), Window(0, 0, 9, 9))[0].any()
    write_sheet(path, np.ones((1, 9, 9), np.uint8))
    os.utime(path, ns=(7, 7))
    assert raster_window(str(path), (1,), Window(0, 0, 9, 9))[0].all()


def test_what_is_no_raster_is_refused(tmp_path) -> None:
    (tmp_path / "a.tif").write_text("no raster")
    with pytest.raises(SheetError, match="not a TIFF"):
        raster_window(str(tmp_path / "a.tif"), (1,), Window(0, 0, 9, 9))
    with pytest.raises(SheetError, match="cannot be found"):
        raster_window(str(tmp_path / "none.tif"), (1,), Window(0, 0, 9, 9))
    whole = write_sheet(tmp_path / "b.tif", RNG.integers(0, 255, (3, 200, 200)).astype(np.uint8), compress="deflate")
    data = bytearray(whole.read_bytes())
    data[2000:-2000] = bytes(len(data) - 4000)
    whole.write_bytes(data)
    with pytest.raises(SheetError, match="is damaged"):
        raster_window(str(whole), (1,), Window(0, 0, 200, 200))

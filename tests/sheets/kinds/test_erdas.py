"""ERDAS Imagine files: read where they hold all their pixels, refused where they name other files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from support import CRS, PLACE

from geoseg.errors import SheetError
from geoseg.sheets.door import open_sheet, read_header
from geoseg.sheets.listing import find_sheets

PIXELS = np.random.default_rng(3).integers(0, 255, (3, 120, 150), np.uint8)


def _write(path: Path, pixels: np.ndarray = PIXELS, **options: str) -> Path:
    bands, rows, cols = pixels.shape
    facts = {"count": bands, "height": rows, "width": cols, "dtype": "uint8", "crs": CRS, "transform": PLACE}
    with rasterio.open(path, "w", driver="HFA", **facts, **options) as dataset:
        dataset.write(pixels)
    return path


@pytest.mark.parametrize("options", [{}, {"COMPRESSED": "YES"}])
def test_pixels_and_place_are_read(tmp_path: Path, options: dict[str, str]) -> None:
    path = _write(tmp_path / "a.img", **options)
    header = read_header(path)
    assert (header.width, header.height, header.bands) == (150, 120, 3)
    assert header.transform == tuple(PLACE)[:6]
    with open_sheet(path) as dataset:
        assert np.array_equal(dataset.read(), PIXELS)


def test_pixels_in_another_file_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.img", USE_SPILL="YES")
    assert (tmp_path / "a.ige").exists()
    with pytest.raises(SheetError, match=r"keeps its pixels in another file \(\.ige\).*gdal_translate"):
        read_header(path)


@pytest.mark.parametrize("word", [b"DependentFile", b"dependentfile"])
def test_a_file_that_depends_on_another_is_refused(tmp_path: Path, word: bytes) -> None:
    path = _write(tmp_path / "a.img")
    data = path.read_bytes()
    at = data.rindex(b"Projection\0")  # an entry, not the dictionary of types at the beginning
    path.write_bytes(data[:at] + word.ljust(64, b"\0") + data[at + 64 :])
    with pytest.raises(SheetError, match="depends on another file"):
        read_header(path)


def test_smaller_copies_elsewhere_are_refused_before_gdal_looks(tmp_path: Path) -> None:
    """A pipe in their place: whoever opened it would wait for ever."""
    path = _write(tmp_path / "a.img")
    with rasterio.Env(HFA_USE_RRD="YES"), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    (tmp_path / "a.rrd").unlink()
    os.mkfifo(tmp_path / "a.rrd")
    with pytest.raises(SheetError, match=r"smaller copies of its picture in 'a\.rrd'"):
        read_header(path)


def test_smaller_copies_in_the_file_itself_are_fine_until_it_is_renamed(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.img")
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    with open_sheet(path) as dataset:
        assert dataset.read(out_shape=(3, 60, 75)).shape == (3, 60, 75)
    with pytest.raises(SheetError, match="smaller copies"):
        read_header(path.rename(tmp_path / "b.img"))


def test_a_pipe_that_is_named_like_an_image_is_passed_over(tmp_path: Path) -> None:
    _write(tmp_path / "a.img")
    os.mkfifo(tmp_path / "b.img")
    assert [p.name for p in find_sheets([tmp_path])] == ["a.img"]


def test_entries_in_a_circle_or_beyond_the_end_are_refused(tmp_path: Path) -> None:
    data = _write(tmp_path / "a.img").read_bytes()
    header = int.from_bytes(data[16:20], "little")
    root = int.from_bytes(data[header + 8 : header + 12], "little")
    for place, words in ((root, "circles"), (len(data) + 5, "damaged")):
        (tmp_path / "b.img").write_bytes(data[:root] + place.to_bytes(4, "little") + data[root + 4 :])
        with pytest.raises(SheetError, match=words):
            read_header(tmp_path / "b.img")


def test_folders_give_erdas_files_and_no_other_img(tmp_path: Path) -> None:
    _write(tmp_path / "a.img")
    (tmp_path / "raw.img").write_bytes(bytes(500))
    assert [p.name for p in find_sheets([tmp_path])] == ["a.img"]
    assert [p.name for p in find_sheets([tmp_path / "*.img"])] == ["a.img", "raw.img"]

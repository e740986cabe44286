"""Reading a part of an image and its labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rasterio.windows import Window
from support import RGB, write_sheet

from geoseg.classes import ISPRS, NODATA
from geoseg.datasets.folders import ImageFacts, pair_items
from geoseg.datasets.items import read_item
from geoseg.datasets.legend import table_legend
from geoseg.datasets.sets import labelled_sets
from geoseg.errors import SheetError
from geoseg.learn.settings import DataSection


def test_pixels_outside_the_region_are_never_read(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a_RGB.tif", np.full((3, 64, 64), 200, np.uint8))
    write_sheet(tmp_path / "a_label.tif", np.zeros((64, 64), np.uint8))
    (item,) = pair_items(tmp_path, "*_RGB.tif", "*_label.tif", table_legend(ISPRS), ImageFacts())
    image, labels, valid = read_item(item.within((0, 0, 64, 32)), Window(-8, -8, 80, 80))
    assert valid.sum() == 64 * 32
    assert (image[:, ~valid] == 0).all()
    assert (labels[~valid] == NODATA).all()


def test_sixteen_bit_sheets_need_a_range(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a_RGB.tif", np.full((3, 32, 32), 2000, np.uint16))
    write_sheet(tmp_path / "a_label.tif", np.zeros((32, 32), np.uint8))
    section = DataSection(kind="pairs", root=tmp_path, images="*_RGB.tif", labels="*_label.tif")
    (one,) = labelled_sets([section], ISPRS, RGB, None)["train"]
    with pytest.raises(SheetError, match="range"):
        read_item(one.items[0], Window(0, 0, 8, 8))
    (one,) = labelled_sets([section.model_copy(update={"range": (0.0, 4000.0)})], ISPRS, RGB, None)["train"]
    assert set(np.unique(read_item(one.items[0], Window(0, 0, 8, 8))[0])) == {127.5}


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path) -> None:
    """No two grey levels of a photo become one, whether they are spread over 0 to 255 or taken as they are."""
    pixels = np.arange(3 * 64 * 64, dtype=np.uint16).reshape(3, 64, 64)
    write_sheet(tmp_path / "a_RGB.tif", pixels)
    write_sheet(tmp_path / "a_label.tif", np.zeros((64, 64), np.uint8))
    section = DataSection(kind="pairs", root=tmp_path, images="*_RGB.tif", labels="*_label.tif")
    spread = section.model_copy(update={"range": (0.0, 20_000.0)})
    for one, dtype, factor in ((spread, "uint8", 255 / 20_000), (section, "uint16", 1), (spread, "float32", 5e-5)):
        (made,) = labelled_sets([one], ISPRS, RGB, None, dtype)["train"]
        image, _, _ = read_item(made.items[0], Window(0, 0, 64, 64))
        assert image.dtype == np.float32
        assert len(np.unique(image)) == pixels.size
        assert np.allclose(image, pixels * factor, rtol=1e-6)


def test_photos_and_labels_in_one_folder(tmp_path: Path) -> None:
    """Whatever the patterns, no photo is its own label."""
    for name in ("a", "b"):
        write_sheet(tmp_path / f"{name}_RGB.tif", np.full((3, 64, 64), 200, np.uint8))
        write_sheet(tmp_path / f"{name}_label.tif", np.zeros((64, 64), np.uint8))
    for images, labels in (("*", "*"), ("**/*", "*_label.tif"), ("*_RGB.tif", "*")):
        items = pair_items(tmp_path, images, labels, ISPRS, ImageFacts())
        assert [(i.name, Path(i.labels.path).stem) for i in items] == [("a_RGB", "a_label"), ("b_RGB", "b_label")]

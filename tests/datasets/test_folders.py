"""Image and label pairs, plain pictures, patches that `tile` wrote."""

from __future__ import annotations

from pathlib import Path

import layouts
import numpy as np
import pytest
from PIL import Image
from support import write_sheet

from geoseg.classes import ISPRS
from geoseg.datasets.folders import ImageFacts, image_file, pair_items, patch_items
from geoseg.datasets.legend import table_legend
from geoseg.datasets.split import Split, refuse_leaks, split_items
from geoseg.errors import SheetError, UsageError
from geoseg.sheets.images import read_picture


def test_patches_that_tile_wrote_are_a_data_set(tmp_path: Path, geoseg) -> None:
    rng = np.random.default_rng(1)
    labels = layouts.patchwork(rng, (200, 200))
    write_sheet(tmp_path / "s" / "a_RGB.tif", layouts.picture_of(labels, rng))
    write_sheet(tmp_path / "l" / "a_label.tif", layouts.COLOURS[labels].transpose(2, 0, 1).copy())
    code, _, err = geoseg(
        "tile",
        tmp_path / "s",
        "-o",
        tmp_path / "run",
        "--patch-size",
        96,
        "--overlap",
        32,
        "--write-patches",
        "--labels",
        tmp_path / "l",
    )
    assert code == 0, err
    items = patch_items(tmp_path / "run", ISPRS, ImageFacts())
    assert len(items) >= 9
    parts = split_items(items, Split(side="east", share=0.3, gap=2))
    assert parts["train"]
    assert parts["validation"]
    refuse_leaks(parts)
    by_name = split_items(items, Split(names=((items[4].name, "validation"),)))
    with pytest.raises(UsageError, match="shares ground"):
        refuse_leaks(by_name)


def test_pairs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a_RGB.tif", np.zeros((3, 64, 64), np.uint8))
    facts = ImageFacts()
    write_sheet(tmp_path / "b_label.tif", np.zeros((64, 64), np.uint8))
    with pytest.raises(UsageError, match="a_RGB.tif: has no label"):
        pair_items(tmp_path, "*_RGB.tif", "*_label.tif", table_legend(ISPRS), facts)
    write_sheet(tmp_path / "a_label.tif", np.zeros((64, 60), np.uint8), place=None, crs=None)
    with pytest.raises(SheetError, match="match pixel by pixel"):
        pair_items(tmp_path, "a_RGB.tif", "*_label.tif", table_legend(ISPRS), facts)


def test_plain_images_need_a_pixel_size_and_a_signature(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="give `gsd`"):
        image_file(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"GIF89a" + bytes(50))
    with pytest.raises(SheetError, match="neither PNG nor JPEG"):
        image_file(tmp_path / "b.png", ImageFacts(gsd=0.1))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "c.png").write_bytes(whole[:-30])
    with pytest.raises(SheetError, match=r"c\.png"):
        read_picture(tmp_path / "c.png")

"""Patches for training."""

from __future__ import annotations

import layouts
import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from support import CRS, PLACE, SAMPLE, moved, write_sheet

from geoseg.classes import NODATA
from geoseg.errors import SheetError
from geoseg.options import TileOptions
from geoseg.stages.tile.patches import write_patches
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(9)


def test_patches_and_labels_lie_on_the_same_ground(tmp_path):
    run = tmp_path / "run"
    tile([SAMPLE / "sheets"], run, TileOptions(patch_size=256, overlap="32"))
    images, masks = write_patches(run, SAMPLE / "labels")
    assert images == masks > 20
    truth = {p.stem.removesuffix("_classes"): rasterio.open(p) for p in (SAMPLE / "classes").glob("*.tif")}
    for path in sorted((run / "patches").glob("*.tif"))[::5]:
        with rasterio.open(path) as image, rasterio.open(run / "patches/labels" / path.name) as label:
            assert image.transform == label.transform
            assert image.shape == (256, 256)
            values, valid = label.read(1), image.read_masks(1) > 0
            assert (values[~valid] == NODATA).all()
            assert (values[valid] != NODATA).all()
            for dataset in truth.values():
                window = rasterio.windows.from_bounds(*image.bounds, dataset.transform).round_offsets().round_lengths()
                if (
                    window.col_off >= 0
                    and window.row_off >= 0
                    and window.col_off + 256 <= dataset.width
                    and window.row_off + 256 <= dataset.height
                ):
                    expected = dataset.read(1, window=window)
                    assert np.array_equal(values[valid], expected[valid])


@pytest.mark.parametrize("how", ["coarser sheet", "south-up label", "larger label", "no place"])
def test_label_patches_lie_on_the_ground(tmp_path, how):
    """Labels on other grids than their sheet's, and a sheet that is warped: the patch says what the ground says."""
    truth = layouts.patchwork(RNG, (120, 160), cell=40)
    photo, place, labels, at = np.repeat(truth[None], 3, 0), PLACE, truth, PLACE
    if how == "coarser sheet":
        write_sheet(tmp_path / "s/b.tif", photo, place=moved(PLACE, 0, 200))
        write_sheet(tmp_path / "l/b_label.tif", labels, place=moved(PLACE, 0, 200))
        photo, place = photo[:, ::2, ::2].copy(), PLACE @ Affine.scale(2)
    elif how == "south-up label":
        labels, at = truth[::-1].copy(), PLACE @ Affine(1, 0, 0, 0, -1, 120)
    elif how == "larger label":
        labels, at = np.pad(truth, 20, constant_values=NODATA), moved(PLACE, -20, -20)
    else:
        at = None
    write_sheet(tmp_path / "s/a.tif", photo, place=place)
    write_sheet(tmp_path / "l/a_label.tif", labels, place=at, crs=None if how == "no place" else CRS)
    run = tmp_path / "run"
    tile([tmp_path / "s"], run, TileOptions(patch_size=64, overlap="32", gsd=0.1))
    images, masks = write_patches(run, tmp_path / "l")
    assert images == masks > 5
    seen = 0
    for path in sorted((run / "patches/labels").glob("*.tif")):
        with rasterio.open(path) as d:
            col, row = (round(v) for v in ~PLACE @ (d.transform.c, d.transform.f))
            values = d.read(1)
        expected = truth[max(row, 0) : row + 64, max(col, 0) : col + 64]
        if row < 0 or col < 0 or not expected.size or row >= 200:
            continue
        found = values[: expected.shape[0], : expected.shape[1]]
        assert ((found == expected) | (found == NODATA)).all()
        seen += int((found == expected).sum())
    assert seen > 0.9 * truth.size


def test_labels_of_another_town_are_refused(tmp_path):
    write_sheet(tmp_path / "s/a.tif", np.zeros((3, 90, 90), np.uint8))
    write_sheet(tmp_path / "l/a_label.tif", np.zeros((90, 90), np.uint8), place=moved(PLACE, 5000, 0))
    tile([tmp_path / "s"], tmp_path / "run", TileOptions(patch_size=64, overlap="32"))
    with pytest.raises(SheetError, match="do not meet"):
        write_patches(tmp_path / "run", tmp_path / "l")

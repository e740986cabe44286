"""Patches for training."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import rasterio.warp
from support import SAMPLE

from geoseg.classes import ISPRS, NODATA
from geoseg.errors import SheetError
from geoseg.options import TileOptions
from geoseg.stages.tile.patches import decode_labels, write_patches
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


def test_label_colours_are_read_even_if_they_were_recompressed():
    colours = np.array([c.colour for c in ISPRS.classes]).T[:, None]
    assert decode_labels(np.clip(colours + RNG.integers(-40, 40, colours.shape), 0, 255), "x").tolist() == [
        [0, 1, 2, 3, 4, 5]
    ]
    assert decode_labels(np.zeros((3, 1, 1), np.uint8), "x").tolist() == [[255]]
    with pytest.raises(SheetError, match="9"):
        decode_labels(np.full((1, 2, 2), 9), "x")

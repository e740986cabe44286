"""Finished blocks."""

from __future__ import annotations

import numpy as np
import rasterio
import rasterio.warp

from geoseg.classes import ISPRS, NODATA


def test_shares_add_to_a_hundred(finished):
    run, _ = finished
    for path in (run / "blocks/probabilities").glob("*.tif"):
        with rasterio.open(path) as dataset, rasterio.open(run / "blocks" / path.name) as block:
            shares, classes = dataset.read().astype(int), block.read(1)
            assert dataset.descriptions == tuple(c.name for c in ISPRS.classes)
        valid = classes != NODATA
        assert np.abs(shares.sum(0)[valid] - 100).max() <= 3
        best = np.take_along_axis(shares, np.where(valid, classes, 0)[None].astype(int), 0)[0]
        assert (best[valid] == shares.max(0)[valid]).all()
        assert (shares[:, ~valid] == NODATA).all()

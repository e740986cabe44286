"""Rasters of sheets."""

from __future__ import annotations

import numpy as np
import rasterio
from support import PLACE, moved, write_sheet

from geoseg.options import InferOptions, MosaicOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile


def test_sheets_of_one_name_keep_a_raster_each(tmp_path, truth_network):
    paths = []
    for i, name in enumerate(("x/a.tif", "y/a.tif", "z/a_2.tif", "w/A.tif")):
        image = np.full((3, 40, 40), i, np.uint8)
        paths.append(write_sheet(tmp_path / name, image, place=moved(PLACE, 50 * i, 0)))
    tile(paths, tmp_path / "run")
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    mosaic(tmp_path / "run", MosaicOptions(vectors=False))
    rasters = sorted((tmp_path / "run/out/sheets").glob("*.tif"))
    assert len({p.name.casefold() for p in rasters}) == 4
    assert sorted(int(rasterio.open(p).read(1)[0, 0]) for p in rasters) == [0, 1, 2, 3]

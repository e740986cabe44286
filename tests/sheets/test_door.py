"""What may come in: world files, names, declared sizes; and what is refused with reason and cure."""

from __future__ import annotations

import os

import numpy as np
import pytest
import rasterio
from bad_files import BAD
from rasterio.transform import Affine
from runs import classes_like, run_truth
from support import CRS, PLACE, write_sheet

from geoseg.errors import SheetError, UsageError
from geoseg.options import TileOptions
from geoseg.runfolder.folder import Run
from geoseg.sheets.door import read_header
from geoseg.stages.tile.tile import tile


def test_world_files_and_missing_crs(tmp_path, truth_network):
    sheet = classes_like()
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        path = write_sheet(tmp_path / "s.tif", sheet, crs=None, place=Affine.identity())
    (tmp_path / "s.tfw").write_text("0.1\n0\n0\n-0.1\n367000.05\n5806999.95\n")
    with pytest.raises(UsageError, match=r"no CRS.*--crs"):
        tile([path], tmp_path / "run")
    tile([path], tmp_path / "run", TileOptions(crs=CRS))
    plan = Run(tmp_path / "run").plan
    assert (plan.grid.x0, plan.grid.y0, plan.grid.pixel) == pytest.approx((PLACE.c, PLACE.f, 0.1))
    assert np.array_equal(run_truth(tmp_path, truth_network, [path], TileOptions(crs=CRS, overwrite=True)), sheet[0])


@pytest.mark.parametrize("name", list(BAD))
def test_bad_files_are_refused_with_reason_and_cure(tmp_path, name, geoseg):
    make, reason, cure = BAD[name]
    path = tmp_path / "bad.tif"
    make(path)
    code, _, err = geoseg("tile", path, "-o", tmp_path / "run")
    assert code == 2
    assert err.startswith("geoseg: error: ")
    assert str(path) in err
    import re

    assert re.search(reason, err), err
    assert cure in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


def test_sidecars_are_not_followed(tmp_path):
    """An .aux.xml beside a sheet can change neither its place nor its pixels."""
    path = write_sheet(tmp_path / "s.tif", classes_like())
    before = read_header(path)
    (tmp_path / "s.tif.aux.xml").write_text(
        "<PAMDataset><GeoTransform>0,1,0,0,0,-1</GeoTransform><SRS>EPSG:4326</SRS></PAMDataset>"
    )
    assert read_header(path) == before


def test_declared_sizes_are_checked_before_any_read(tmp_path):
    path = tmp_path / "bomb.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=3,
        height=200_000,
        width=200_000,
        dtype="uint8",
        crs=CRS,
        transform=PLACE,
        sparse_ok=True,
        tiled=True,
    ):
        pass
    with pytest.raises(SheetError, match="declares"):
        read_header(path)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=40_000,
        width=40_000,
        dtype="uint8",
        tiled=True,
        blockxsize=32_768,
        blockysize=32_768,
        sparse_ok=True,
        transform=PLACE,
    ):
        pass
    with pytest.raises(SheetError, match="blocks of 32768 x 32768"):
        read_header(path)


@pytest.mark.parametrize(
    "name", ["two words.tif", "Straße.tif", "a'b\"c.tif", "new\nline.tif", "x" * 240 + ".tif", "-dash.tif", "%s{}.tif"]
)
def test_any_file_name(tmp_path, name, truth_network):
    sheet = classes_like(20, 20)
    write_sheet(tmp_path / "in/plain.tif", sheet)
    os.replace(tmp_path / "in/plain.tif", tmp_path / "in" / name)
    if len(name) > 230:
        tile([tmp_path / "in"], tmp_path / "run")
        return
    assert np.array_equal(run_truth(tmp_path, truth_network, [tmp_path / "in"]), sheet[0])

"""Which grid wins, and where sheets lie on it."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.transform import Affine
from runs import classes_like
from support import PLACE, moved, write_sheet

from geoseg.options import InferOptions, TileOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile


def test_an_alien_zone_does_not_stop_a_run_with_a_given_gsd(tmp_path):
    image = np.zeros((3, 30, 30), np.uint8)
    write_sheet(tmp_path / "in/a.tif", image, crs="EPSG:32615", place=Affine(0.1, 0, 500_000, 0, -0.1, 4_000_000))
    for i in range(2):
        write_sheet(
            tmp_path / f"in/b{i}.tif",
            image,
            crs="EPSG:32610",
            place=Affine(0.1, 0, 500_000 + 3 * i, 0, -0.1, 4_000_000),
        )
    plan = tile([tmp_path / "in"], tmp_path / "run", TileOptions(gsd=0.2)).plan
    assert len(plan.sheets) == 2
    assert len(plan.quarantined) == 1


def test_the_native_gsd_warps_nothing(tmp_path):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8), place=moved(PLACE, 0.3, 0.7))
    plan = tile([sheet], tmp_path / "run", TileOptions(gsd=0.1)).plan
    assert plan.sheets[0].mode == "direct"


def test_web_mercator_and_feet_count_in_ground_metres(tmp_path, truth_network):
    sheet = classes_like(100, 100)
    mercator = write_sheet(
        tmp_path / "m.tif", sheet, crs="EPSG:3857", place=Affine(0.1493, 0, 9_519_391, 0, -0.1493, 3_203_475)
    )
    plan = tile([mercator], tmp_path / "run").plan
    assert plan.gsd == pytest.approx(0.132, abs=0.001)
    feet = write_sheet(
        tmp_path / "f.tif", sheet, crs="EPSG:2229", place=Affine(0.25, 0, 6_480_000, 0, -0.25, 1_850_000)
    )
    assert tile([feet], tmp_path / "run2").plan.gsd == pytest.approx(0.0762, abs=0.0002)
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch", resample=True))
    report = mosaic(tmp_path / "run")
    assert sum(report.areas.values()) == pytest.approx(sheet[0].size * plan.gsd**2, rel=1e-3)

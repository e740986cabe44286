"""Which sheets a run can use, and why not the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bad_files import BAD
from rasterio.transform import Affine
from runs import classes_like
from support import PLACE, ROOT, class_raster, moved, write_sheet

from geoseg.options import TileOptions
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(11)


def test_undeclared_white_borders_are_noticed(tmp_path):
    sheet = RNG.integers(0, 200, (3, 600, 600)).astype(np.uint8)
    sheet[:, :200, 350:] = RNG.integers(244, 256, (3, 200, 250))
    report = tile([write_sheet(tmp_path / "s.tif", sheet)], tmp_path / "run")
    assert any("--nodata 255~12" in w for w in report.warnings)
    sheet[:, :200, 350:] = 0
    report = tile([write_sheet(tmp_path / "t.tif", sheet)], tmp_path / "run2")
    assert any("--nodata 0~3" in w for w in report.warnings)
    assert not tile([write_sheet(tmp_path / "u.tif", sheet, nodata=0)], tmp_path / "run3").warnings


def test_one_sheet_without_crs_among_others(tmp_path):
    write_sheet(tmp_path / "in/a.tif", classes_like())
    write_sheet(tmp_path / "in/b.tif", classes_like(), crs=None, place=moved(PLACE, 80, 0))
    plan = tile([tmp_path / "in"], tmp_path / "run").plan
    assert [q.path.endswith("b.tif") for q in plan.quarantined] == [True]
    assert "--crs" in plan.quarantined[0].cure


@pytest.mark.parametrize("name", ["empty", "text", "palette", "cut", "complex", "no georeference"])
def test_one_bad_sheet_costs_that_sheet_only(tmp_path, name, truth_network, geoseg):
    sheet = classes_like()
    write_sheet(tmp_path / "in/good.tif", sheet)
    BAD[name][0](tmp_path / "in/bad.tif")
    code, _, err = geoseg("run", tmp_path / "in", "-o", tmp_path / "run", "--model", truth_network, "--engine", "torch")
    assert code == 3
    assert "bad.tif" in err
    assert np.array_equal(class_raster(tmp_path / "run")[0], sheet[0])
    strict, _, _ = geoseg("tile", tmp_path / "in", "-o", tmp_path / "s", "--strict")
    assert strict == 1


def test_alien_sheets_are_left_out(tmp_path):
    for name in "abc":
        write_sheet(tmp_path / f"in/{name}.tif", classes_like(), place=moved(PLACE, 100 * ord(name), 0))
    write_sheet(tmp_path / "in/grey.tif", classes_like()[:1])
    write_sheet(tmp_path / "in/deep.tif", classes_like().astype(np.uint16))
    plan = tile([tmp_path / "in"], tmp_path / "run").plan
    reasons = {q.path.rsplit("/", 1)[1]: q.reason for q in plan.quarantined}
    assert "1 bands, most sheets have 3" in reasons["grey.tif"]
    assert "uint16, most sheets are uint8" in reasons["deep.tif"]


def test_a_far_utm_zone_needs_its_own_run(tmp_path):
    sheet = classes_like()
    for i in range(2):
        write_sheet(
            tmp_path / f"in/a{i}.tif",
            sheet,
            crs="EPSG:26911",
            place=Affine(0.6, 0, 440_000 + 60 * i, 0, -0.6, 3_770_000),
        )
    write_sheet(tmp_path / "in/b.tif", sheet, crs="EPSG:26910", place=Affine(0.6, 0, 600_000, 0, -0.6, 4_398_000))
    plan = tile([tmp_path / "in"], tmp_path / "run").plan
    assert len(plan.sheets) == 2
    assert "EPSG:26910" in plan.quarantined[0].reason
    assert "run of its own" in plan.quarantined[0].cure


def test_a_sheet_that_is_nowhere_near_costs_itself_only(tmp_path):
    """Outside the area of the CRS, or 100 km from the others: a broken geotransform must not make a raster of half a continent."""
    for name, place in (
        ("a", PLACE),
        ("b", moved(PLACE, 300, 0)),
        ("lost", Affine(0.1, 0, 0, 0, -0.1, 0)),
        ("far", moved(PLACE, 1_200_000, 0)),
    ):
        write_sheet(tmp_path / "in" / f"{name}.tif", classes_like(), place=place)
    plan = tile([tmp_path / "in"], tmp_path / "run").plan
    assert [s.stem for s in plan.sheets] == ["a", "b"]
    reasons = {Path(q.path).stem: q.reason for q in plan.quarantined}
    assert "outside the area" in reasons["lost"]
    assert "120 km from the middle of the others" in reasons["far"]


BANEPA = ROOT.parent / "shared/data/oam_banepa/banepa_z19_rgb.tif"


@pytest.mark.skipif(not BANEPA.exists(), reason="the real orthophoto of Banepa is not here")
def test_a_real_orthophoto_with_undeclared_white_areas_is_noticed(tmp_path):
    report = tile([BANEPA], tmp_path / "run")
    assert any("--nodata 255~12" in w for w in report.warnings)
    assert report.plan.gsd == pytest.approx(0.132, abs=0.001)
    assert not tile([BANEPA], tmp_path / "told", TileOptions(nodata=((255, 12),))).warnings


def test_areas_across_the_antimeridian(tmp_path):
    """Alaska Albers is meant for 172 E to 130 W."""
    write_sheet(
        tmp_path / "anchorage.tif", classes_like(), crs="EPSG:3338", place=Affine(0.1, 0, 220_000, 0, -0.1, 1_260_000)
    )
    assert len(tile([tmp_path / "anchorage.tif"], tmp_path / "run").plan.sheets) == 1

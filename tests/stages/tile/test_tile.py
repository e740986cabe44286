"""geoseg tile."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from bad_files import BAD
from rasterio.crs import CRS as CRS_
from runs import classes_like
from scipy import ndimage
from support import CRS, PLACE, ROOT, class_raster, moved, write_sheet

from geoseg import parse
from geoseg.errors import UsageError
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(11)


def test_a_plan_keeps_its_lattice_and_blocks(tmp_path, geoseg, sheet):
    geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 64)
    code, _, err = geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 128)
    assert code == 2
    assert "planned with 64" in err
    assert geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 128, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bbox", "13,52,14,53"], "meet no sheet"),
        (["--bands", "0,1,2"], "expected numbers from 1 on"),
        (["--gsd", "0"], "--gsd"),
        (["--overlap", "inf%"], "not a number of pixels or per cent"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(tmp_path, geoseg, words, message):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8))
    code, _, err = geoseg("tile", sheet, "-o", tmp_path / "run", *words)
    assert code == 2
    assert message in err


@pytest.mark.parametrize("words", [[], ["--bbox", "{0},{1},{2},{3}"], ["--patch-size", 64, "--overlap", 32]], ids=str)
def test_the_patches_of_a_plan_for_a_network_are_those_that_infer_scores(tmp_path, geoseg, blur_network, words):
    sheet = write_sheet(tmp_path / "s.tif", np.random.default_rng(1).integers(0, 9, (3, 300, 700)).astype(np.uint8))
    x, y, pixel = PLACE.c, PLACE.f, PLACE.a
    box = (x + 400 * pixel, y - 90 * pixel, x + 600 * pixel, y - 20 * pixel)
    words = [str(w).format(*box) for w in words]
    run, patches = tmp_path / "run", re.compile(r"patches +([\d,]+ of \d+ px, overlap \d+ px)")
    asked = ["tile", sheet, "-o", run, "--block-size", 256]
    bare, planned = (geoseg(*asked, *more, *words)[1] for more in ([], ["--model", blur_network]))
    computed = geoseg("infer", run, "--model", blur_network, "--engine", "torch")[1]
    assert patches.search(planned)[1] == patches.search(computed)[1]
    assert ("a network's own may differ" in bare) == ("--patch-size" not in words)
    assert "may differ" not in planned
    if not words:
        assert patches.search(bare)[1] != patches.search(planned)[1]
    assert geoseg("tile", sheet, "-o", run, *words)[0] == 0  # the plan stays as the network wants it
    assert patches.search(geoseg("tile", sheet, "-o", run, *words)[1])[1] == patches.search(planned)[1]


def test_gaps_of_kilometres_cost_nothing(tmp_path, truth_network):
    sheet = classes_like()
    write_sheet(tmp_path / "in/a.tif", sheet)
    write_sheet(tmp_path / "in/b.tif", sheet, place=moved(PLACE, 300_000, 200_000))  # 30 km east, 20 km south
    tile([tmp_path / "in"], tmp_path / "run", TileOptions(block_size=128))
    report = infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    assert report.blocks <= 5
    mosaic_names = {p.name for p in (tmp_path / "run/blocks").glob("*.tif")}
    assert len(mosaic_names) == report.blocks


def test_undeclared_white_and_black_borders_are_no_data(tmp_path):
    """Said, kept while file and rule stay, and undone by --nodata none."""
    sheet = RNG.integers(20, 200, (3, 600, 600)).astype(np.uint8)
    sheet[:, :200, 350:] = RNG.integers(244, 256, (3, 200, 250))
    path, run = write_sheet(tmp_path / "s.tif", sheet), Run(tmp_path / "run")
    report = tile([path], run)
    assert any("--nodata none" in w for w in report.warnings)
    (mask,) = run.masks.glob("*.tif")
    assert report.plan.sheets[0].blanks == mask.name
    with rasterio.open(mask) as d:
        assert np.array_equal(d.read(1) == 0, (sheet >= 243).all(0))
    written = mask.stat().st_mtime_ns
    path.touch()
    assert tile([path], run).plan.sheets[0].blanks == mask.name
    assert mask.stat().st_mtime_ns == written
    mask.unlink()
    assert tile([path], run).plan.sheets[0].blanks == mask.name
    assert mask.is_file()
    assert tile([path], run, TileOptions(nodata=())).plan.sheets[0].blanks == ""
    assert mask.exists()  # others may still read by the plan before
    assert tile([path], run).plan.nodata_rule == "none"
    sheet[:, :200, 350:] = 0
    report = tile([write_sheet(tmp_path / "t.tif", sheet)], tmp_path / "run2")
    assert any("--nodata none" in w for w in report.warnings)
    assert not tile([write_sheet(tmp_path / "u.tif", sheet, nodata=0)], tmp_path / "run3").warnings


def test_a_value_means_no_data_at_the_edge_and_in_large_areas_only(tmp_path, truth_network):
    """A collar of nearly white goes, white cars stay; --nodata-everywhere takes both."""
    classes = RNG.integers(0, 6, (300, 300)).astype(np.uint8)
    photo = np.repeat(classes[None], 3, 0)
    photo[:, 250:] = RNG.integers(250, 256, (3, 50, 300))
    photo[:, 100:118, 50:94] = 255
    path = write_sheet(tmp_path / "s.tif", photo)
    white = (photo >= 243).all(0)
    collar = white & (np.arange(300) >= 250)[:, None]
    for name, options, hole in (
        ("blank", TileOptions(nodata=((255, 12),), block_size=64), collar),
        ("everywhere", TileOptions(nodata=((255, 12),), nodata_everywhere=True, block_size=64), white),
        ("none", TileOptions(nodata=(), block_size=64), np.zeros_like(white)),
    ):
        run = Run(tmp_path / name)
        tile([path], run, options)
        infer(run, InferOptions(model=(truth_network,), engine="torch"))
        mosaic(run)
        assert np.array_equal(class_raster(run.folder)[0] == 255, hole), name
    with pytest.raises(UsageError, match="--nodata-everywhere: needs values"):
        tile([path], tmp_path / "odd", TileOptions(nodata_everywhere=True))


def test_photos_win_over_masks_beside_them(tmp_path):
    for k in range(3):
        write_sheet(tmp_path / f"in/{k}_mask.tif", np.zeros((64, 64), np.uint8))
        write_sheet(tmp_path / f"in/{k}_height.tif", np.zeros((64, 64), np.float32))
    write_sheet(tmp_path / "in/photo.tif", np.zeros((4, 64, 64), np.uint16))
    plan = tile([tmp_path / "in"], tmp_path / "run").plan
    assert [Path(s.path).name for s in plan.sheets] == ["photo.tif"]
    assert len(plan.quarantined) == 6


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
    assert "separate run" in plan.quarantined[0].cure


def test_a_sheet_that_is_nowhere_near_costs_itself_only(tmp_path):
    """Outside the area of the CRS, always; far from the others, where the user asks for it."""
    for name, place in (
        ("a", PLACE),
        ("b", moved(PLACE, 300, 0)),
        ("lost", Affine(0.1, 0, 0, 0, -0.1, 0)),
        ("far", moved(PLACE, 1_200_000, 0)),
    ):
        write_sheet(tmp_path / "in" / f"{name}.tif", classes_like(), place=place)
    around = TileOptions(bbox=(PLACE.c, PLACE.f - 20, PLACE.c + 60, PLACE.f))
    assert not any("groups" in w for w in tile([tmp_path / "in"], tmp_path / "part", around).warnings)
    report = tile([tmp_path / "in"], tmp_path / "all")
    assert not any("groups" in w for w in report.warnings)  # 120 km of one row are no huge raster
    assert [s.stem for s in report.plan.sheets] == ["a", "b", "far"]
    plan = tile([tmp_path / "in"], tmp_path / "run", TileOptions(far=parse.distance("100km"))).plan
    assert [s.stem for s in plan.sheets] == ["a", "b"]
    reasons = {Path(q.path).stem: q.reason for q in plan.quarantined}
    assert "outside the area" in reasons["lost"]
    assert "120 km from the middle of the others" in reasons["far"]


BANEPA = ROOT.parent / "shared/data/oam_banepa/banepa_z19_rgb.tif"


@pytest.mark.skipif(not BANEPA.exists(), reason="the real orthophoto of Banepa is not here")
def test_both_blank_areas_of_a_real_orthophoto_are_found(tmp_path):
    """One reaches the edge, one lies in the middle of the town; no roof goes with them."""
    report = tile([BANEPA], tmp_path / "run")
    assert any("--nodata none" in w for w in report.warnings)
    assert report.plan.gsd == pytest.approx(0.132, abs=0.001)
    with rasterio.open(tmp_path / "run/masks" / report.plan.sheets[0].blanks) as d:
        areas, _ = ndimage.label(d.read(1) == 0)
    assert sorted(n for n in np.bincount(areas.ravel())[1:].tolist() if n > 99) == [381_294, 713_187]


def test_areas_across_the_antimeridian(tmp_path):
    """Alaska Albers is meant for 172 E to 130 W."""
    write_sheet(
        tmp_path / "anchorage.tif", classes_like(), crs="EPSG:3338", place=Affine(0.1, 0, 220_000, 0, -0.1, 1_260_000)
    )
    assert len(tile([tmp_path / "anchorage.tif"], tmp_path / "run").plan.sheets) == 1


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


def test_an_area_of_interest_limits_the_output(tmp_path, truth_network, geoseg):

    sheet = classes_like(100, 100)
    path = write_sheet(tmp_path / "s.tif", sheet)
    box = shapely.box(PLACE.c + 2, PLACE.f - 7, PLACE.c + 6, PLACE.f - 3)
    geopandas.GeoDataFrame(geometry=[box], crs=CRS).to_crs("EPSG:4326").to_file(tmp_path / "aoi.geojson")
    code, _, err = geoseg(
        "run",
        path,
        "-o",
        tmp_path / "run",
        "--model",
        truth_network,
        "--aoi",
        tmp_path / "aoi.geojson",
        "--engine",
        "torch",
    )
    assert code == 0, err
    found, place = class_raster(tmp_path / "run")
    assert place.c == pytest.approx(PLACE.c + 2, abs=0.11)
    assert (found != 255).sum() == pytest.approx(1600, abs=85)
    code, _, err = geoseg(
        "tile", path, "-o", tmp_path / "b", "--bbox", f"{PLACE.c + 2},{PLACE.f - 7},{PLACE.c + 6},{PLACE.f - 3}"
    )
    assert code == 0, err


def test_a_second_tile_does_not_ignore_what_it_cannot_do(tmp_path, geoseg):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8))
    base = ["tile", sheet, "-o", tmp_path / "run"]
    assert geoseg(*base)[0] == 0
    for words in (["--gsd", "0.5"], ["--crs", "EPSG:25832"], ["--patch-size", "512"]):
        assert geoseg(*base, *words)[0] == 2, words
    assert geoseg(*base, "--gsd", "0.1", "--crs", CRS)[0] == 0
    other = ["tile", sheet, "-o", tmp_path / "other"]
    assert geoseg(*other, "--patch-size", "256", "--overlap", "32")[0] == 0
    assert geoseg(*other, "--overlap", "32")[0] == 0
    assert geoseg(*other, "--overlap", "64")[0] == 2


def test_infrared_that_the_file_calls_alpha_is_data(tmp_path: Path, geoseg) -> None:
    """Seen on a sample, said, kept by the plan, and undone by --alpha mask."""
    rng = np.random.default_rng(0)
    photo = rng.integers(1, 255, (4, 200, 200)).astype(np.uint8)
    photo[3, 50:90, 50:90] = 0
    path = write_sheet(tmp_path / "s/naip.tif", photo, photometric="rgb", alpha="yes")
    run = tmp_path / "run"
    code, out, err = geoseg("tile", tmp_path / "s", "-o", run)
    assert code == 0
    assert "1 red, 2 green, 3 blue, 4 nir" in out
    assert "holds many values, so it is no mask but data" in err
    assert "--alpha mask" in err
    plan = Run(run).plan
    assert plan.sheets[0].header.mask == "none"
    geoseg("tile", tmp_path / "s", "-o", run)
    assert Run(run).plan == plan
    geoseg("tile", tmp_path / "s", "-o", run, "--alpha", "mask")
    assert Run(run).plan.sheets[0].header.mask == "alpha"
    geoseg("tile", tmp_path / "s", "-o", run)
    assert Run(run).plan.alpha == "mask"
    photo[3] = np.where(photo[3] > 9, 255, 0)
    write_sheet(path, photo, photometric="rgb", alpha="yes")
    _, out, err = geoseg("tile", tmp_path / "s", "-o", tmp_path / "other")
    assert "4 alpha" in out
    assert not err
    _, out, err = geoseg("tile", tmp_path / "s", "-o", tmp_path / "third", "--alpha", "none")
    assert "4 nir" in out
    assert not err


def test_compound_crs_count_as_their_horizontal_part(tmp_path):
    """Beside sheets in that part they are on the grid, and outputs carry it."""
    write_sheet(tmp_path / "in/a.tif", classes_like(), crs="EPSG:25833+7837")
    write_sheet(tmp_path / "in/b.tif", classes_like(), place=moved(PLACE, 80, 0))
    plan = tile([tmp_path / "in"], tmp_path / "run").plan
    assert [s.mode for s in plan.sheets] == ["direct", "direct"]
    assert CRS_.from_wkt(plan.grid.crs).to_epsg() == 25833


LOCAL = 'LOCAL_CS["site",LOCAL_DATUM["site",0],UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'


def test_a_crs_that_nobody_knows_gives_way_to_the_one_that_is_named(tmp_path):
    path = write_sheet(tmp_path / "in/a.tif", classes_like(), crs=LOCAL)
    with pytest.raises(UsageError, match=r"name the CRS that it is really in with --crs") as error:
        tile([path], tmp_path / "run")
    assert "PROJCRS" not in str(error.value)
    assert tile([path], tmp_path / "run", TileOptions(crs=CRS)).plan.sheets[0].mode == "direct"
    there = Affine(0.1, 0, 750_000, 0, -0.1, PLACE.f)
    other = write_sheet(tmp_path / "in/b.tif", classes_like(), crs="EPSG:25832", place=there)
    assert tile([other], tmp_path / "run2", TileOptions(crs=CRS)).plan.sheets[0].mode == "warped"
    right = TileOptions(crs=CRS, crs_override=True)
    assert tile([other], tmp_path / "run3", right).plan.sheets[0].mode == "direct"
    assert tile([other], tmp_path / "run3").plan.sheets[0].mode == "direct"
    with pytest.raises(UsageError, match="--crs-override: needs --crs"):
        tile([other], tmp_path / "run4", TileOptions(crs_override=True))


def test_photos_in_degrees_and_eastings_with_a_zone(tmp_path):
    wide = Affine(1.4752e-6, 0, 13.06, 0, -0.9e-6, 52.4)
    path = write_sheet(tmp_path / "deg.tif", classes_like(), crs="EPSG:4258", place=wide)
    with pytest.raises(UsageError, match=r"degrees.*--crs EPSG:25833"):
        tile([path], tmp_path / "run")
    plan = tile([path], tmp_path / "run", TileOptions(crs=CRS)).plan
    assert plan.gsd == pytest.approx(0.1003, rel=0.001)
    for crs, words in (("EPSG:25833", "EPSG:5650"), ("EPSG:32633", "subtract 33,000,000")):
        far = write_sheet(tmp_path / "zone.tif", classes_like(), crs=crs, place=Affine(0.1, 0, 33.4e6, 0, -0.1, 5.8e6))
        with pytest.raises(UsageError, match=words):
            tile([far], tmp_path / "zone")


def test_a_change_of_datum_that_nobody_knows_exactly_is_said(tmp_path):
    def sheet(name: str, crs: str, x: float, y: float) -> None:
        write_sheet(tmp_path / f"in/{name}.tif", classes_like(), crs=crs, place=Affine(0.1, 0, x, 0, -0.1, y))

    sheet("a", "EPSG:25832", 691_000, 5_334_000)
    sheet("b", "EPSG:25832", 691_008, 5_334_000)
    sheet("c", "EPSG:31468", 4_468_800, 5_333_000)
    report = tile([tmp_path / "in"], tmp_path / "run")
    assert any("EPSG:31468" in w and "accuracy" in w for w in report.warnings)
    sheet("c", "EPSG:25833", 245_000, 5_334_000)
    assert not any("accuracy" in w for w in tile([tmp_path / "in"], tmp_path / "run2").warnings)


def test_a_run_keeps_its_identity_in_all_revisions_and_two_runs_have_two(tmp_path) -> None:
    for name, shift in (("a", 0), ("b", 64)):
        write_sheet(tmp_path / "in" / f"{name}.tif", np.zeros((3, 64, 64), np.uint8) + 9, place=moved(PLACE, shift, 0))
    run, other = Run(tmp_path / "run"), Run(tmp_path / "other")
    assert run.identity == ""
    tile([tmp_path / "in/a.tif"], run)
    first = run.identity, run.plan.planned
    tile([tmp_path / "in"], run)
    assert run.identity == first[0] != ""
    assert run.plan.planned != first[1]
    tile([tmp_path / "in/b.tif"], run, TileOptions(overwrite=True))
    tile([tmp_path / "in"], other)
    assert run.identity == first[0] != other.identity
    run.save(replace(run.plan, begun=""))  # as an earlier version wrote it
    before = run.identity
    tile([tmp_path / "in"], run)
    assert run.identity == before
    run.plan_json.write_text("{")
    assert run.identity == ""

"""What orthophotos come as: formats that must work, and files that must be refused with reason and cure."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import CRS, PLACE, class_raster, moved, write_sheet
from rasterio.crs import CRS as RioCRS
from rasterio.transform import Affine
from rasterio.warp import transform

from geoseg import parse
from geoseg.errors import GeosegError, PlanError, SheetError, UsageError
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.sheets.door import read_header
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(11)


def classes_like(height=90, width=80):
    first = np.repeat(np.repeat(RNG.integers(0, 6, (height // 10 + 1, width // 10 + 1)), 10, 0), 10, 1)[:height, :width]
    return np.stack([first, first + 30, first + 60]).astype(np.uint8)


def run_truth(tmp_path, network, sheets, options=None, **inference):
    tile(sheets, tmp_path / "run", options or TileOptions(block_size=64))
    infer(tmp_path / "run", InferOptions(model=(network,), engine="torch", **inference))
    mosaic(tmp_path / "run")
    return class_raster(tmp_path / "run")[0]


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"interleave": "pixel"},
        {"interleave": "band"},
        {"tiled": True, "blockxsize": 16, "blockysize": 32},
        {"compress": "lzw", "predictor": 2},
        {"compress": "zstd", "tiled": True, "blockxsize": 64, "blockysize": 64},
        {"BIGTIFF": "YES"},
        {"ENDIANNESS": "BIG"},
        {"compress": "deflate", "blockysize": 90},
    ],
    ids=lambda p: ",".join(map(str, p.values())) or "plain",
)
def test_layouts_and_codecs_do_not_matter(tmp_path, truth_network, profile):
    sheet = classes_like()
    path = write_sheet(tmp_path / "s.tif", sheet, **profile)
    assert np.array_equal(run_truth(tmp_path, truth_network, [path]), sheet[0])


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_other_data_types_take_a_range(tmp_path, truth_network, dtype):
    """Values 0 to 5 stored as 1000 + 100 v; the network's 0..255 stand for 1000..26500."""
    sheet = classes_like()
    stored = (sheet.astype(float) * 100 + 1000).astype(dtype)
    path = write_sheet(tmp_path / "s.tif", stored)
    with pytest.raises(GeosegError, match=f"trained on uint8, the sheets are {dtype}.*--range"):
        run_truth(tmp_path, truth_network, [path])
    assert np.array_equal(run_truth(tmp_path, truth_network, [path], range=(1000.0, 26500.0)), sheet[0])


def test_not_a_number_is_no_data(tmp_path, truth_network):
    sheet = classes_like().astype(np.float32)
    sheet[1, 10:20, 10:20] = np.nan
    sheet[0, 40, 40] = np.inf
    path = write_sheet(tmp_path / "s.tif", sheet)
    found = run_truth(tmp_path, truth_network, [path], range=(0.0, 255.0))
    hole = ~np.isfinite(sheet).all(0)
    assert (found[hole] == 255).all()
    assert np.array_equal(found[~hole], sheet[0][~hole])


def test_bands_by_number_and_by_meaning(tmp_path, truth_network):
    sheet = classes_like()
    path = write_sheet(tmp_path / "s.tif", np.stack([sheet[1], sheet[2], sheet[0], sheet[0]]), photometric="minisblack")
    options = TileOptions(bands=(3, 1, 2), block_size=64)
    assert np.array_equal(run_truth(tmp_path, truth_network, [path], options), sheet[0])


def test_a_band_that_the_user_names_is_data_even_if_the_file_calls_it_alpha(tmp_path, truth_network):
    sheet = classes_like()
    path = write_sheet(
        tmp_path / "s.tif", np.stack([sheet[1], sheet[2], sheet[2], sheet[0]]), photometric="rgb", alpha="yes"
    )
    options = TileOptions(bands=(4, 1, 2), block_size=64)
    assert np.array_equal(run_truth(tmp_path, truth_network, [path], options), sheet[0])


def test_declared_and_given_nodata_with_tolerance(tmp_path, truth_network):
    sheet = classes_like()
    noise = RNG.integers(243, 256, (3, 30, 30)).astype(np.uint8)
    sheet[:, 30:60, 20:50] = noise
    path = write_sheet(tmp_path / "s.tif", sheet)
    found = run_truth(tmp_path, truth_network, [path], TileOptions(nodata=((255, 12),), block_size=64))
    hole = np.zeros(sheet.shape[1:], bool)
    hole[30:60, 20:50] = True
    assert np.array_equal(found == 255, hole)


def test_undeclared_white_borders_are_noticed(tmp_path):
    sheet = RNG.integers(0, 200, (3, 600, 600)).astype(np.uint8)
    sheet[:, :200, 350:] = RNG.integers(244, 256, (3, 200, 250))
    report = tile([write_sheet(tmp_path / "s.tif", sheet)], tmp_path / "run")
    assert any("--nodata 255~12" in w for w in report.warnings)
    sheet[:, :200, 350:] = 0
    report = tile([write_sheet(tmp_path / "t.tif", sheet)], tmp_path / "run2")
    assert any("--nodata 0~3" in w for w in report.warnings)
    assert not tile([write_sheet(tmp_path / "u.tif", sheet, nodata=0)], tmp_path / "run3").warnings


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


def test_one_sheet_without_crs_among_others(tmp_path):
    write_sheet(tmp_path / "in/a.tif", classes_like())
    write_sheet(tmp_path / "in/b.tif", classes_like(), crs=None, place=moved(PLACE, 80, 0))
    plan = tile([tmp_path / "in"], tmp_path / "run").plan
    assert [q.path.endswith("b.tif") for q in plan.quarantined] == [True]
    assert "--crs" in plan.quarantined[0].cure


def test_a_sheet_in_another_crs_is_warped_onto_the_grid(tmp_path, truth_network):
    """The same ground delivered in UTM 32: classes agree away from their borders."""
    sheet = classes_like(200, 200)
    sheet = np.repeat(np.repeat(sheet[:, ::4, ::4], 4, 1), 4, 2)
    write_sheet(tmp_path / "a.tif", sheet)
    grid = write_sheet(tmp_path / "b0.tif", sheet, place=moved(PLACE, 200, 0))
    other = RioCRS.from_epsg(25832)
    xs, ys = transform(
        CRS,
        other,
        [PLACE.c + 18, PLACE.c + 42, PLACE.c + 18, PLACE.c + 42],
        [PLACE.f + 2, PLACE.f + 2, PLACE.f - 22, PLACE.f - 22],
    )
    size = 280
    place = Affine((max(xs) - min(xs)) / size, 0, min(xs), 0, -(max(ys) - min(ys)) / size, max(ys))
    with (
        rasterio.open(grid) as source,
        rasterio.vrt.WarpedVRT(source, crs=other, transform=place, width=size, height=size, nodata=99) as vrt,
    ):
        write_sheet(tmp_path / "in/b.tif", vrt.read(), place=place, crs=other.to_wkt(), nodata=99)
    os.replace(tmp_path / "a.tif", tmp_path / "in/a.tif")
    run_truth(tmp_path, truth_network, [tmp_path / "in/a.tif", tmp_path / "in/b.tif"])
    modes = {s.stem: s.mode for s in Run(tmp_path / "run").plan.sheets}
    assert modes == {"a": "direct", "b": "warped"}
    plan = Run(tmp_path / "run").plan
    a = next(s for s in plan.sheets if s.stem == "a").window
    from geoseg.plan import plan_blocks
    from geoseg.runfolder.blocks import BlockReader

    reader = BlockReader(tmp_path / "run" / "blocks", plan, plan_blocks(plan))
    assert np.array_equal(reader.read(a)[0], sheet[0])
    beside = reader.read(rasterio.windows.Window(a.col_off + 200, a.row_off, 200, 200))[0]
    smooth = np.ones((200, 200), bool)
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            smooth &= np.roll(sheet[0], step, axis) == sheet[0]
    smooth[:3] = smooth[-3:] = smooth[:, :3] = smooth[:, -3:] = False
    good = beside[smooth]
    assert (good == sheet[0][smooth]).mean() > 0.97


def test_a_rotated_sheet_is_warped(tmp_path, truth_network):
    sheet = classes_like()
    write_sheet(tmp_path / "in/a.tif", sheet)
    turned = PLACE @ Affine.translation(300, 100) @ Affine.rotation(20)
    write_sheet(tmp_path / "in/b.tif", sheet, place=turned)
    run_truth(tmp_path, truth_network, [tmp_path / "in"])
    plan = Run(tmp_path / "run").plan
    assert [s.mode for s in plan.sheets] == ["direct", "warped"]
    with rasterio.open(tmp_path / "run/out/sheets/b_classes.tif") as own:
        pixels = own.read(1)
    share = (pixels != 255).sum() / sheet[0].size
    assert share == pytest.approx(1, abs=0.05)
    assert set(np.unique(pixels)) <= set(range(6)) | {255}


def test_warped_pixels_do_not_depend_on_the_window_asked_for(tmp_path):
    from rasterio.windows import Window

    from geoseg.sheets.photo import Source

    sheet = RNG.integers(0, 255, (3, 700, 650)).astype(np.uint8)
    path = write_sheet(tmp_path / "s.tif", sheet, place=PLACE @ Affine.rotation(7))
    write_sheet(tmp_path / "g.tif", sheet[:, :9, :9], place=moved(PLACE, 2000, 0))
    tile([tmp_path / "g.tif", path], tmp_path / "run")
    plan = Run(tmp_path / "run").plan
    bands = {s.path: (1, 2, 3) for s in plan.sheets}
    w = plan.sheets[1].window
    with Source(plan, bands) as source:
        whole, valid = source.read(w)
        for part in (
            Window(w.col_off + 13, w.row_off + 101, 333, 17),
            Window(w.col_off + 500, w.row_off, 50, w.height),
        ):
            rows = slice(part.row_off - w.row_off, part.row_off - w.row_off + part.height)
            cols = slice(part.col_off - w.col_off, part.col_off - w.col_off + part.width)
            pixels, good = source.read(part)
            assert np.array_equal(pixels, whole[:, rows, cols])
            assert np.array_equal(good, valid[rows, cols])


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


def test_gaps_of_kilometres_cost_nothing(tmp_path, truth_network):
    sheet = classes_like()
    write_sheet(tmp_path / "in/a.tif", sheet)
    write_sheet(tmp_path / "in/b.tif", sheet, place=moved(PLACE, 300_000, 200_000))  # 30 km east, 20 km south
    tile([tmp_path / "in"], tmp_path / "run", TileOptions(block_size=128))
    report = infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    assert report.blocks <= 5
    mosaic_names = {p.name for p in (tmp_path / "run/blocks").glob("*.tif")}
    assert len(mosaic_names) == report.blocks


def test_an_area_of_interest_limits_the_output(tmp_path, truth_network, geoseg):
    import geopandas
    import shapely

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


# --- refused


def _palette(path):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=20,
        width=20,
        dtype="uint8",
        crs=CRS,
        transform=PLACE,
        photometric="palette",
    ) as d:
        d.write_colormap(1, {0: (0, 0, 0, 255), 1: (255, 0, 0, 255)})
        d.write(np.zeros((1, 20, 20), np.uint8))


def _cut(path):
    write_sheet(path, RNG.integers(0, 255, (3, 200, 200)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:300])


BAD = {
    "empty": (lambda p: p.write_bytes(b""), "empty", "copy it again"),
    "text": (lambda p: p.write_text("hello, not a picture"), "not a TIFF", "gdal_translate"),
    "html": (lambda p: p.write_text("<html>404</html>"), "not a TIFF", "gdal_translate"),
    "png": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 99), "not a TIFF", "gdal_translate"),
    "vrt": (lambda p: p.write_text("<VRTDataset rasterXSize='5' rasterYSize='5'/>"), "not a TIFF", "gdal_translate"),
    "header only": (lambda p: p.write_bytes(b"II*\0"), "cannot be read", "cut short"),
    "cut": (_cut, "cannot be read|is damaged", "copy it again"),
    "palette": (_palette, "palette", "-expand rgb"),
    "complex": (lambda p: write_sheet(p, np.zeros((3, 9, 9), np.complex64)), "complex64", "gdal_translate -ot"),
    "folder": (lambda p: p.mkdir(), "no GeoTIFF there", "name files"),
    "missing": (lambda p: None, "cannot be opened", "check the path"),
    "fifo": (lambda p: os.mkfifo(p), "not a regular file", "name GeoTIFF"),
    "dangling link": (lambda p: p.symlink_to("nowhere.tif"), "cannot be opened", "check the path"),
    "degrees": (
        lambda p: write_sheet(
            p, np.zeros((3, 9, 9), np.uint8), crs="EPSG:4326", place=Affine(1e-6, 0, 13, 0, -1e-6, 52)
        ),
        "degrees",
        "--crs",
    ),
    "many bands": (lambda p: write_sheet(p, np.zeros((40, 9, 9), np.uint8)), "40 bands", "gdal_translate -b"),
    "no georeference": (lambda p: _plain(p), "no georeference", ".tfw"),
}


def _plain(path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_sheet(path, np.zeros((3, 9, 9), np.uint8), place=Affine.identity())


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


def test_damage_that_shows_in_mid_run_costs_that_sheet(tmp_path, blur_network):
    """A sheet whose last tiles are gone: the result is that of a run without it."""
    image = RNG.integers(0, 255, (3, 256, 256)).astype(np.uint8)
    write_sheet(tmp_path / "in/a.tif", image[:, :, :128], compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    bad = write_sheet(
        tmp_path / "in/b.tif",
        image[:, :, 128:],
        place=moved(PLACE, 128, 0),
        compress="deflate",
        tiled=True,
        blockxsize=64,
        blockysize=64,
    )
    data = bytearray(bad.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = os.urandom(400)
    bad.write_bytes(data)
    options = InferOptions(model=(blur_network,), engine="torch")
    tile([tmp_path / "in"], tmp_path / "run", TileOptions(block_size=64))
    report = infer(tmp_path / "run", options)
    assert [p.endswith("b.tif") for p in report.quarantined] == [True]
    assert "damaged" in Run(tmp_path / "run").plan.quarantined[0].reason
    mosaic(tmp_path / "run")
    tile([tmp_path / "in/a.tif"], tmp_path / "alone", TileOptions(block_size=64))
    infer(tmp_path / "alone", options)
    mosaic(tmp_path / "alone")
    assert np.array_equal(class_raster(tmp_path / "run")[0], class_raster(tmp_path / "alone")[0])


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


def test_a_sheet_written_again_is_noticed(tmp_path, truth_network):
    path = write_sheet(tmp_path / "s.tif", classes_like())
    tile([path], tmp_path / "run")
    write_sheet(path, classes_like())
    os.utime(path, ns=(1, 1))
    with pytest.raises(PlanError, match="written again.*run geoseg tile again"):
        infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))


def test_nodata_text():
    assert parse.nodata("255~12,0") == ((255.0, 12.0), (0.0, 0.0))
    assert parse.nodata("") == ()
    with pytest.raises(UsageError, match="VALUE~TOLERANCE"):
        parse.nodata("white")


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


BANEPA = Path(__file__).parents[2] / "shared/data/oam_banepa/banepa_z19_rgb.tif"


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

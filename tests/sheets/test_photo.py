"""Many sheets are one photo: formats, bands, masks, no data, warps."""

from __future__ import annotations

import os

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS as RioCRS
from rasterio.transform import Affine
from rasterio.warp import transform
from runs import classes_like, run_truth
from support import CRS, PLACE, class_raster, moved, write_sheet

from geoseg.errors import GeosegError
from geoseg.options import TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(8)


def test_another_mask_makes_blocks_stale_and_a_bad_one_costs_its_sheet(tmp_path, truth_network, geoseg):
    image = RNG.integers(0, 6, (3, 90, 90)).astype(np.uint8)
    write_sheet(tmp_path / "in/a.tif", image)
    write_sheet(tmp_path / "in/b.tif", image, place=moved(PLACE, 90, 0))
    write_sheet(tmp_path / "in/a.tif.msk", np.full((90, 90), 255, np.uint8))
    words = ["run", tmp_path / "in", "-o", tmp_path / "run", "--model", truth_network, "--engine", "torch"]
    assert geoseg(*words)[0] == 0
    mask = np.full((90, 90), 255, np.uint8)
    mask[:40] = 0
    write_sheet(tmp_path / "in/a.tif.msk", mask)
    assert geoseg(*words)[0] == 0
    assert (class_raster(tmp_path / "run")[0][:40, :90] == 255).all()
    (tmp_path / "in/a.tif.msk").write_text("not a mask")
    code, _, err = geoseg(*words)
    assert code == 3
    assert "has a .msk that is not a TIFF" in err
    assert np.array_equal(class_raster(tmp_path / "run")[0], image[0])


RNG = np.random.default_rng(11)


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
    found = run_truth(
        tmp_path, truth_network, [path], TileOptions(nodata=((255, 12),), nodata_everywhere=True, block_size=64)
    )
    hole = np.zeros(sheet.shape[1:], bool)
    hole[30:60, 20:50] = True
    assert np.array_equal(found == 255, hole)


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

    from geoseg.sheets.photo import Photo

    sheet = RNG.integers(0, 255, (3, 700, 650)).astype(np.uint8)
    path = write_sheet(tmp_path / "s.tif", sheet, place=PLACE @ Affine.rotation(7))
    write_sheet(tmp_path / "g.tif", sheet[:, :9, :9], place=moved(PLACE, 2000, 0))
    tile([tmp_path / "g.tif", path], tmp_path / "run")
    plan = Run(tmp_path / "run").plan
    bands = {s.path: (1, 2, 3) for s in plan.sheets}
    w = plan.sheets[1].window
    with Photo(plan, bands) as photo:
        whole, valid = photo.read(w)
        for part in (
            Window(w.col_off + 13, w.row_off + 101, 333, 17),
            Window(w.col_off + 500, w.row_off, 50, w.height),
        ):
            rows = slice(part.row_off - w.row_off, part.row_off - w.row_off + part.height)
            cols = slice(part.col_off - w.col_off, part.col_off - w.col_off + part.width)
            pixels, good = photo.read(part)
            assert np.array_equal(pixels, whole[:, rows, cols])
            assert np.array_equal(good, valid[rows, cols])

"""Label rasters lie where their own georeference says, whatever their grid, and what says nothing is no class."""

from __future__ import annotations

from pathlib import Path

import layouts
import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from PIL import Image
from rasterio.transform import array_bounds
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window
from support import CRS, PLACE, moved, write_sheet

from geoseg.classes import ISPRS, NODATA
from geoseg.datasets.label_raster import check_labels, open_labels, read_codes
from geoseg.datasets.lay import Ground
from geoseg.datasets.legend import Legend, table_legend
from geoseg.errors import SheetError

TRUTH = layouts.patchwork(np.random.default_rng(4), (90, 120), cell=7)
LEGEND = table_legend(ISPRS)
WKT = rasterio.crs.CRS.from_string(CRS).to_wkt()
PHOTO = Ground((90, 120), WKT, tuple(PLACE[:6]))


def _laid(path: Path, window: Window | None = None, photo: Ground = PHOTO, legend: Legend = LEGEND) -> np.ndarray:
    labels = open_labels(path)
    check_labels(labels, photo, "photo.tif")
    return read_codes(labels, legend, photo, window or Window(0, 0, photo.shape[1], photo.shape[0]))


@given(st.integers(-60, 60), st.integers(-60, 60), st.integers(20, 150), st.integers(20, 150), st.booleans())
@profile(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_part_of_the_same_grid_says_what_it_covers(
    tmp_path: Path, row: int, col: int, high: int, wide: int, south_up: bool
) -> None:
    """Larger, smaller, shifted and south-up labels give the truth where they reach, and nothing elsewhere."""
    whole = np.full((400, 400), NODATA, np.uint8)
    whole[100:190, 100:220] = TRUTH
    part = whole[100 + row : 100 + row + high, 100 + col : 100 + col + wide]
    place = moved(PLACE, col, row)
    if south_up:
        part, place = part[::-1].copy(), place @ Affine(1, 0, 0, 0, -1, high)
    path = write_sheet(tmp_path / "l.tif", part, place=place)
    expected = np.full(TRUTH.shape, NODATA, np.uint8)
    r0, c0, r1, c1 = max(row, 0), max(col, 0), min(row + high, 90), min(col + wide, 120)
    if r1 <= r0 or c1 <= c0:
        with pytest.raises(SheetError, match="do not meet"):
            _laid(path)
        return
    expected[r0:r1, c0:c1] = TRUTH[r0:r1, c0:c1]
    assert (_laid(path) == expected).all()


@pytest.mark.parametrize("times", [2, 5])
def test_finer_labels_are_picked_at_pixel_centres(tmp_path: Path, times: int) -> None:
    fine = np.kron(TRUTH, np.ones((times, times), np.uint8))
    path = write_sheet(tmp_path / "l.tif", fine, place=PLACE @ Affine.scale(1 / times))
    assert (_laid(path) == TRUTH).all()


def test_coarser_labels_are_repeated(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "l.tif", TRUTH[::3, ::3].copy(), place=PLACE @ Affine.scale(3))
    assert (_laid(path) == np.kron(TRUTH[::3, ::3], np.ones((3, 3), np.uint8))).all()


def test_another_phase_moves_nothing_by_more_than_half_a_pixel(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "l.tif", TRUTH, place=PLACE @ Affine.translation(0.3, -0.4))
    assert (_laid(path)[:-1] == TRUTH[:-1]).all()


def _elsewhere(tmp_path: Path, crs: str) -> Path:
    """The labels in another CRS, made by GDAL with pixels a third as large."""
    box = array_bounds(*TRUTH.shape, PLACE)
    left, bottom, right, top = transform_bounds(CRS, crs, *box)
    high, wide = 330, 420
    place = Affine((right - left) / wide, 0, left, 0, (bottom - top) / high, top)
    out = np.full((high, wide), NODATA, np.uint8)
    reproject(
        TRUTH,
        out,
        src_transform=PLACE,
        src_crs=CRS,
        dst_transform=place,
        dst_crs=crs,
        resampling=Resampling.nearest,
        init_dest_nodata=False,
        tolerance=0,
    )
    return write_sheet(tmp_path / "l.tif", out, place=place, crs=crs)


@pytest.mark.parametrize("crs", ["EPSG:25832", "EPSG:4326", "EPSG:3857"])
def test_labels_in_another_crs_equal_those_that_gdal_lays(tmp_path: Path, crs: str) -> None:
    path = _elsewhere(tmp_path, crs)
    found = _laid(path)
    oracle = np.full(TRUTH.shape, NODATA, np.uint8)
    with rasterio.open(path) as d:
        reproject(
            d.read(1),
            oracle,
            src_transform=d.transform,
            src_crs=d.crs,
            dst_transform=PLACE,
            dst_crs=CRS,
            resampling=Resampling.nearest,
            init_dest_nodata=False,
            tolerance=0,
        )
    assert (found == oracle).mean() > 0.999
    inner = (slice(2, -2), slice(2, -2))
    assert (found[inner] == TRUTH[inner]).mean() > 0.93  # twice nearest: only pixels at class borders differ


@pytest.mark.parametrize("kind", ["same", "crs", "rotated"])
def test_a_window_is_a_part_of_the_whole(tmp_path: Path, kind: str) -> None:
    if kind == "crs":
        path = _elsewhere(tmp_path, "EPSG:25832")
    else:
        turn = Affine.rotation(11, (40, 40)) if kind == "rotated" else Affine.translation(5, -3)
        path = write_sheet(tmp_path / "l.tif", TRUTH, place=PLACE @ turn)
    whole = _laid(path)
    assert (whole != NODATA).mean() > 0.5
    for row, col, high, wide in ((0, 0, 33, 120), (17, 41, 50, 9), (89, 119, 1, 1), (31, 31, 2, 40)):
        assert (_laid(path, Window(col, row, wide, high)) == whole[row : row + high, col : col + wide]).all()


def test_rotated_labels_follow_their_rotation(tmp_path: Path) -> None:
    quarter = Affine(0, 1, 0, -1, 0, 90)  # stored column runs down the photo
    path = write_sheet(tmp_path / "l.tif", np.rot90(TRUTH, -1).copy(), place=PLACE @ quarter)
    assert (_laid(path) == TRUTH).all()


def test_labels_of_another_place_are_refused_with_both_places(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "l.tif", TRUTH, place=Affine(0.1, 0, 9e5, 0, -0.1, 6.1e6), crs="EPSG:2154")
    with pytest.raises(SheetError, match=r"l.tif: lies at 900000 .*EPSG:2154.*photo.tif at 367000.*EPSG:25833.*meet"):
        _laid(path)


def test_without_a_place_sizes_must_agree(tmp_path: Path) -> None:
    bare = Ground((90, 120))
    Image.fromarray(TRUTH).save(tmp_path / "l.png")
    assert (_laid(tmp_path / "l.png", photo=bare) == TRUTH).all()
    assert (_laid(tmp_path / "l.png") == TRUTH).all()
    Image.fromarray(TRUTH[:-1]).save(tmp_path / "s.png")
    with pytest.raises(SheetError, match=r"120 x 89 px, photo.tif is 120 x 90, and one has no place"):
        _laid(tmp_path / "s.png")


def test_a_transform_without_a_crs_counts_in_the_crs_of_the_photo(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "l.tif", TRUTH[10:], place=moved(PLACE, 0, 10), crs=None)
    found = _laid(path)
    assert (found[10:] == TRUTH[10:]).all()
    assert (found[:10] == NODATA).all()


# --- "no label" is no class

OUTSIDE = np.zeros((90, 120), bool)
OUTSIDE[:40] = True


def _with(values: object, dtype: str) -> np.ndarray:
    pixels = TRUTH.astype(dtype)
    pixels[OUTSIDE] = values
    return pixels


@pytest.mark.parametrize(
    ("dtype", "value", "more"),
    [
        ("uint8", 0, {"nodata": 0}),
        ("uint8", 99, {"nodata": 99}),
        ("int16", -1, {}),
        ("int16", -9999, {"nodata": -9999}),
        ("int16", 32767, {}),
        ("int16", 999, {}),
        ("int32", -2147483648, {}),
        ("int32", 70_000, {}),
        ("uint16", 65535, {}),
        ("uint32", 4_294_967_295, {}),
        ("float32", np.nan, {}),
        ("float32", -3.4e38, {}),
        ("float64", -9999, {"nodata": -9999}),
    ],
)
def test_what_says_nothing_is_no_label(tmp_path: Path, dtype: str, value: float, more: dict[str, object]) -> None:
    path = write_sheet(tmp_path / "l.tif", _with(value, dtype), **more)
    found = _laid(path)
    assert (found[OUTSIDE] == NODATA).all()
    known = ~OUTSIDE & (more.get("nodata") != TRUTH)
    assert (found[known] == TRUTH[known]).all()


def test_masks_and_alpha_say_where_labels_are(tmp_path: Path) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_sheet(tmp_path / "i.tif", TRUTH)
        with rasterio.open(tmp_path / "i.tif", "r+") as d:
            d.write_mask(~OUTSIDE)
    write_sheet(tmp_path / "e.tif", TRUTH)
    write_sheet(tmp_path / "e.tif.msk", np.where(OUTSIDE, 0, 255).astype(np.uint8), place=None, crs=None)
    colours = layouts.COLOURS[TRUTH].transpose(2, 0, 1)
    rgba = np.concatenate([colours, np.where(OUTSIDE, 0, 255)[None]]).astype(np.uint8)
    write_sheet(tmp_path / "a.tif", rgba, photometric="rgb", alpha="yes")
    Image.fromarray(rgba.transpose(1, 2, 0)).save(tmp_path / "a.png")
    from geoseg.datasets.label_colours import told_legend

    for name in ("i.tif", "e.tif", "a.tif", "a.png"):
        legend = told_legend(open_labels(tmp_path / name), ISPRS)
        found = _laid(tmp_path / name, legend=legend)
        assert (found == np.where(OUTSIDE, NODATA, TRUTH)).all(), name


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.full((90, 120), 1.5, np.float32), "label value 1.5, expected whole numbers"),
        (np.full((90, 120), 9, np.uint8), r"label values \[9\]"),
        (np.full((90, 120), 9, np.int32), r"label values \[9\]"),
        (np.zeros((3, 90, 120), np.uint8), "3 bands, expected one band"),
    ],
)
def test_labels_that_mean_nothing_are_refused(tmp_path: Path, pixels: np.ndarray, words: str) -> None:
    with pytest.raises(SheetError, match=words):
        _laid(write_sheet(tmp_path / "l.tif", pixels))

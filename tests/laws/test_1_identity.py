"""Guarantee 1: a network that returns the truth gives back the truth for every pixel."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from runs import truth
from support import CRS, PLACE, class_raster, moved, write_sheet

from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 2), (2, 1), (1, 65), (65, 1), (31, 33), (63, 64), (64, 64), (65, 64), (64, 65), (65, 65), (130, 97)],
)
def test_a_network_that_returns_the_truth_gives_it_back(tmp_path, geoseg, truth_network, height, width):
    sheet = truth(height, width)
    path = write_sheet(tmp_path / "s.tif", sheet)
    code, _, err = geoseg(
        "run",
        path,
        "-o",
        tmp_path / "run",
        "--model",
        truth_network,
        "--block-size",
        64,
        "--min-area",
        0,
        "--engine",
        "torch",
    )
    assert code == 0, err
    classes, place = class_raster(tmp_path / "run")
    assert np.array_equal(classes, sheet[0])
    assert place == PLACE
    with rasterio.open(tmp_path / "run/out/sheets/s_classes.tif") as own:
        assert np.array_equal(own.read(1), sheet[0])
        assert own.transform == PLACE


def test_every_size_up_to_a_patch_and_one(tmp_path, truth_network):
    """1 x n and n x n for every n up to patch + 1, as one run: sheets far apart share a grid."""
    sheets = {}
    for n in range(1, 66):
        for shape in ((1, n), (n, n)):
            name = f"{shape[0]}x{shape[1]}"
            sheets[name] = truth(*shape)
            write_sheet(
                tmp_path / "in" / f"{name}.tif", sheets[name], place=moved(PLACE, 200 * n, 0 if shape[0] == 1 else 300)
            )
    tile([tmp_path / "in"], tmp_path / "run", TileOptions(block_size=128))
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    mosaic(tmp_path / "run", MosaicOptions(vectors=False))
    for name, pixels in sheets.items():
        with rasterio.open(tmp_path / f"run/out/sheets/{name}_classes.tif") as own:
            assert np.array_equal(own.read(1), pixels[0]), name


@pytest.mark.parametrize("kind", ["nodata", "internal", "external", "alpha"])
def test_identity_holds_up_to_every_kind_of_mask(tmp_path, truth_network, kind):
    sheet = truth(150, 140)
    hole = np.zeros((150, 140), bool)
    hole[20:60, 30:90] = hole[0, :5] = hole[149, 139] = hole[100:, 70] = True
    path = tmp_path / "s.tif"
    if kind == "nodata":
        sheet[:, hole] = 200
        write_sheet(path, sheet, nodata=200)
    elif kind == "alpha":
        alpha = np.where(hole, 0, 255).astype(np.uint8)
        write_sheet(path, np.concatenate([sheet, alpha[None]]), photometric="rgb", alpha="yes")
    elif kind == "internal":
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(
                path, "w", driver="GTiff", count=3, height=150, width=140, dtype="uint8", crs=CRS, transform=PLACE
            ) as dataset,
        ):
            dataset.write(sheet)
            dataset.write_mask(~hole)
    else:
        write_sheet(path, sheet)
        write_sheet(tmp_path / "s.tif.msk", np.where(hole, 0, 255).astype(np.uint8))
    tile([path], tmp_path / "run", TileOptions(block_size=64))
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    mosaic(tmp_path / "run")
    expected = np.where(hole, 255, sheet[0])
    assert np.array_equal(class_raster(tmp_path / "run")[0], expected)
    assert np.array_equal(rasterio.open(tmp_path / "run/out/sheets/s_classes.tif").read(1), expected)


def test_a_zero_in_one_band_is_data(tmp_path, truth_network):
    sheet = truth(40, 40)
    sheet[1:] = 7
    sheet[0, :20] = 0
    path = write_sheet(tmp_path / "s.tif", sheet, nodata=0)
    tile([path], tmp_path / "run")
    infer(tmp_path / "run", InferOptions(model=(truth_network,)))
    mosaic(tmp_path / "run")
    assert np.array_equal(class_raster(tmp_path / "run")[0], sheet[0])

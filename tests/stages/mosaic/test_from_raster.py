"""A run made of anybody's class raster."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from support import CRS, PLACE, write_sheet

from geoseg.classes import ISPRS, ClassTable, LandClass
from geoseg.errors import GeosegError, UsageError
from geoseg.gis.cog import table_of
from geoseg.runfolder.folder import Run
from geoseg.stages.mosaic.from_raster import run_from_raster

RNG = np.random.default_rng(3)
CLASSES = RNG.integers(0, 6, (70, 90)).astype(np.uint8)


def test_blocks_hold_the_raster_and_what_is_there_is_not_written_again(tmp_path) -> None:
    path = write_sheet(tmp_path / "classes.tif", CLASSES)
    run = run_from_raster(path, Run(tmp_path / "run"))
    assert run.state().complete
    (block,) = run.blocks.glob("*.tif")
    with rasterio.open(block) as dataset:
        found = dataset.read()
    assert np.array_equal(found[0][:70, :90], CLASSES)
    assert (found[1][:70, :90] == 100).all()
    assert (found[0][70:] == 255).all()
    before = block.stat().st_mtime_ns
    run_from_raster(path, run)
    assert block.stat().st_mtime_ns == before
    CONFIDENCE = write_sheet(tmp_path / "confidence.tif", np.full((70, 90), 42, np.uint8))
    run_from_raster(path, run, CONFIDENCE)
    with rasterio.open(block) as dataset:
        assert (dataset.read(2)[:70, :90] == 42).all()


def test_the_table_is_what_the_raster_says_of_itself(tmp_path) -> None:
    path = write_sheet(tmp_path / "a.tif", CLASSES)
    assert table_of(path) == ISPRS
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(GEOSEG_CLASSES=json.dumps({0: "impervious surface", 1: "house", 9: "lake"}))
        dataset.write_colormap(1, {1: (9, 8, 7, 255)})
    table = table_of(path)
    assert [(c.value, c.name, c.role) for c in table.classes] == [
        (0, "impervious surface", "road"), (1, "house", "building"), (9, "lake", "other"),
    ]  # fmt: skip
    assert table.by_value(1).colour == (9, 8, 7)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"crs": None}, "no place in a projected CRS"),
        ({"crs": "EPSG:4326", "place": Affine(1e-6, 0, 13, 0, -1e-6, 52)}, "no place in a projected CRS"),
        ({"place": PLACE @ Affine.rotation(5)}, "turned"),
        ({"place": Affine(0.1, 0, 367_000, 0, -0.2, 5_807_000)}, "not as wide as high"),
    ],
)
def test_a_raster_without_metres_is_refused(tmp_path, facts, words) -> None:
    path = write_sheet(tmp_path / "a.tif", CLASSES, **facts)
    with pytest.raises(UsageError, match=words):
        run_from_raster(path, Run(tmp_path / "run"))


def test_several_bands_or_values_that_nobody_named_are_refused(tmp_path) -> None:
    several = write_sheet(tmp_path / "a.tif", np.stack([CLASSES] * 3))
    with pytest.raises(UsageError, match="one band"):
        run_from_raster(several, Run(tmp_path / "run"))
    one = ClassTable((LandClass(0, "all", (1, 2, 3), "other"),))
    with pytest.raises(GeosegError):
        run_from_raster(write_sheet(tmp_path / "b.tif", CLASSES, crs=CRS), Run(tmp_path / "other"), table=one)

"""Class and confidence rasters as COGs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import rasterio.warp
from rio_cogeo.cogeo import cog_validate
from support import PLACE

from geoseg.classes import ISPRS, NODATA
from geoseg.errors import EnvironmentFault
from geoseg.gis.cog import RasterSpec, _compare, write_cog

RNG = np.random.default_rng(9)


def test_rasters_are_valid_cogs_with_names_and_colours(finished):
    run, report = finished
    for path in report.files:
        if path.suffix == ".tif":
            valid, errors, warnings = cog_validate(path)
            assert valid, (path, errors)
            assert not warnings
    with rasterio.open(run / "out/town_classes.tif") as dataset:
        assert dataset.nodata == NODATA
        assert dataset.colormap(1)[1][:3] == ISPRS.by_value(1).drawn
        assert dataset.overviews(1)
        assert dataset.block_shapes == [(512, 512)]
        assert json.loads(dataset.tags()["GEOSEG_CLASSES"])["3"] == "tree"
        assert "geoseg" in dataset.tags()["TIFFTAG_SOFTWARE"]
    with rasterio.open(run / "out/town_confidence.tif") as dataset:
        values = dataset.read(1)
    assert set(np.unique(values[values != NODATA])) <= set(range(101))


def test_large_rasters_take_the_way_over_disk(tmp_path, monkeypatch):
    pixels = RNG.integers(0, 6, (700, 3000), dtype=np.uint8)
    spec = RasterSpec(3000, 700, "EPSG:25833", PLACE, "class", ISPRS)

    def read(w):
        return pixels[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width]

    write_cog(tmp_path / "memory.tif", spec, read)
    monkeypatch.setattr("geoseg.gis.cog.IN_MEMORY", 1)
    write_cog(tmp_path / "disk.tif", spec, read)
    for name in ("memory", "disk"):
        assert np.array_equal(rasterio.open(tmp_path / f"{name}.tif").read(1), pixels)
        assert cog_validate(tmp_path / f"{name}.tif")[0]
    assert {p.name for p in tmp_path.iterdir()} == {"memory.tif", "disk.tif"}


@pytest.mark.parametrize("largest", [1, 10**9])
def test_what_is_empty_is_not_read_and_must_not_be_in_the_file(tmp_path, monkeypatch, largest):
    monkeypatch.setattr("geoseg.gis.cog.IN_MEMORY", largest)
    pixels = np.full((4500, 6300), NODATA, np.uint8)
    pixels[2100:2300, 100:400] = RNG.integers(0, 6, (200, 300))
    pixels[4400:, 6200:] = 1
    spec = RasterSpec(6300, 4500, "EPSG:25833", PLACE, "class", ISPRS, overviews=False)
    asked = []

    def read(w):
        asked.append(w)
        return pixels[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width]

    def empty(w):
        return (pixels[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width] == NODATA).all()

    write_cog(tmp_path / "all.tif", spec, read)
    asked.clear()
    write_cog(tmp_path / "some.tif", spec, read, empty)
    assert len(asked) == 2 * 2
    assert (tmp_path / "some.tif").read_bytes() == (tmp_path / "all.tif").read_bytes()
    with rasterio.open(tmp_path / "all.tif") as dataset, pytest.raises(EnvironmentFault, match="other pixels"):
        _compare(tmp_path / "all.tif", dataset, spec, lambda w: np.full((w.height, w.width), NODATA), lambda w: True)

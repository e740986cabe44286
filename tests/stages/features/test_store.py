"""Rasters that one step leaves for the next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from rasterio.windows import Window

from geoseg.errors import PlanError
from geoseg.geometry.grid import slices
from geoseg.geometry.sectors import sectors_of
from geoseg.stages.features.store import FileStore, MemoryStore, read_window

WHOLE = Window(-70, 30, 200, 150)
RASTER = np.random.default_rng(1).integers(0, 60_000, (150, 200)).astype(np.uint16)
SECTORS = sectors_of([WHOLE], WHOLE, side=64)


@pytest.fixture(scope="module", params=["memory", "files"])
def store(request, tmp_path_factory):
    """A raster in sectors."""
    made = MemoryStore() if request.param == "memory" else FileStore(tmp_path_factory.mktemp("store"))
    for sector in SECTORS.numbers:
        made.put("codes", sector, RASTER[slices(SECTORS.core(sector), WHOLE)])
    return made


@profile(max_examples=60)
@given(st.integers(-90, 160), st.integers(10, 200), st.integers(1, 90), st.integers(1, 90))
def test_any_window_is_the_crop_of_what_was_put_there(store, col, row, width, height) -> None:
    window = Window(col, row, width, height)
    cores = ((s, SECTORS.core(s)) for s in SECTORS.numbers)
    found = read_window(store, "codes", window, cores, 7, np.uint16)
    padded = np.pad(RASTER, 400, constant_values=7)
    top, left = row - WHOLE.row_off + 400, col - WHOLE.col_off + 400
    assert np.array_equal(found, padded[top : top + height, left : left + width])


def test_files_are_checked_before_and_known_afterwards(tmp_path) -> None:
    def overtaken() -> None:
        raise PlanError("run", "another mosaic has begun")

    with pytest.raises(PlanError):
        FileStore(tmp_path, overtaken).put("a", (0, 0), RASTER)
    assert not list(tmp_path.iterdir())
    store = FileStore(tmp_path, suffix="_x")
    store.put("a", (-1, 2), RASTER)
    assert [p.name for p in store.written] == [p.name for p in tmp_path.iterdir()] == ["a_x_-1_2.tif"]


def test_a_file_that_is_gone_or_damaged_is_named(tmp_path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(PlanError, match="cannot be read"):
        store.get("a", (0, 0), (slice(0, 1), slice(0, 1)))
    store.put("a", (0, 0), RASTER)
    (path,) = store.written
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(PlanError, match="a_0_0.tif"):
        store.get("a", (0, 0), (slice(0, 150), slice(0, 200)))

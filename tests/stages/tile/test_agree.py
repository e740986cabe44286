"""A second `tile` agrees with the first or says why not."""

from __future__ import annotations

import numpy as np
from support import CRS, write_sheet


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

"""Blank areas: those of one pass from top to bottom are those of the whole picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from plans import a_header, a_sheet
from scipy import ndimage
from support import write_sheet

from geoseg.plan import Sheet
from geoseg.sheets.blank_areas import blank_rows, suspicious_values
from geoseg.sheets.door import read_header, stat_key


def _strips(pixels: np.ndarray, valid: np.ndarray, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for top in range(0, pixels.shape[1], rows):
        yield pixels[:, top : top + rows], valid[top : top + rows]


def _whole(pixels: np.ndarray, valid: np.ndarray, large: float) -> np.ndarray:
    """The rule spelt out for a picture in memory: white within 12."""
    near = (pixels >= 243).all(0) & valid
    areas, count = ndimage.label(near | ~valid)
    edge = {*areas[0], *areas[-1], *areas[:, 0], *areas[:, -1]} - {0}
    out = near & np.isin(areas, list(edge))
    areas, count = ndimage.label(near & (pixels == 255).all(0))
    for k in range(1, count + 1):
        out |= (areas == k) & ((areas == k).sum() >= large)
    return out


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([0.3, 0.5, 0.6, 0.8]), st.integers(1, 60))
@profile(max_examples=80, deadline=None)
def test_strips_give_what_the_whole_gives(seed: int, rows: int, share: float, large: int) -> None:
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 70)), int(rng.integers(1, 60))
    band = np.where(rng.uniform(size=shape) < share, rng.choice([255, 255, 250], shape), 100)
    pixels = np.repeat(band[None], 3, 0).astype(np.uint8)
    pixels[1][rng.uniform(size=shape) < 0.05] = 90
    valid = rng.uniform(size=shape) > 0.1
    found = np.concatenate(list(blank_rows(_strips(pixels, valid, rows), ((255.0, 12.0),), large)))
    assert (found == _whole(pixels, valid, large)).all()


def test_collars_go_and_cars_stay() -> None:
    photo = np.full((3, 300, 300), 90, np.uint8)
    photo[:, :, 220:] = 255
    photo[:, 100:118, 50:94] = 252
    photo[:, 200:218, 50:94] = 255
    valid = np.ones((300, 300), bool)
    found = np.concatenate(list(blank_rows(_strips(photo, valid, 64), ((255.0, 12.0),), 20_000)))
    assert (found == (np.arange(300) >= 220)[None]).all()
    hall = photo.copy()
    hall[:, 50:150, 20:180] = 254
    hall[:, 180:290, 20:210] = 255
    found = np.concatenate(list(blank_rows(_strips(hall, valid, 64), ((255.0, 12.0),), 20_000)))
    assert not found[50:150, 20:180].any()
    assert found[180:290, 20:210].all()


def test_black_of_16_bits() -> None:
    photo = np.full((1, 50, 50), 900, np.uint16)
    photo[:, :10] = 0
    photo[:, 30:33, 30:33] = 0
    found = np.concatenate(list(blank_rows(_strips(photo, np.ones((50, 50), bool), 7), ((0.0, 0.0),), 1000)))
    assert found[:10].all()
    assert found.sum() == 500


@pytest.mark.parametrize(
    "facts",
    [{"mask": "internal"}, {"nodata": 0.0}, {"dtype": "uint16"}, {"mask": "alpha"}],
    ids=lambda f: next(iter(f)),
)
def test_what_declares_its_data_is_not_looked_at(facts) -> None:
    assert suspicious_values(a_sheet(header=a_header(**facts)), 1.0) == ()  # there is no such file
    assert suspicious_values(a_sheet(header=a_header(30, 30)), 1.0) == ()


def _sheet(path: Path, pixels: np.ndarray) -> Sheet:
    write_sheet(path, pixels)
    return replace(a_sheet(), path=str(path), stat=stat_key(path), header=read_header(path))


def test_a_sample_shows_borders_and_large_areas_inside(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    photo = rng.integers(20, 200, (3, 1200, 1500)).astype(np.uint8)
    assert suspicious_values(_sheet(tmp_path / "a.tif", photo), 9.0) == ()
    inside = photo.copy()
    inside[:, 400:700, 500:900] = 255
    assert suspicious_values(_sheet(tmp_path / "b.tif", inside), 9.0) == ((255.0, 12.0),)
    border = inside.copy()
    border[:, :300] = rng.integers(0, 4, (3, 300, 1500))
    assert suspicious_values(_sheet(tmp_path / "c.tif", border), 9.0) == ((255.0, 12.0), (0.0, 3.0))
    dark = rng.integers(0, 6, (3, 500, 500)).astype(np.uint8)
    assert suspicious_values(_sheet(tmp_path / "d.tif", dark), 9.0) == ()
    assert suspicious_values(_sheet(tmp_path / "e.tif", np.zeros((3, 500, 500), np.uint8)), 9.0) == ()


def test_a_large_area_of_a_value_that_was_named_is_blank() -> None:
    heights = np.random.default_rng(0).integers(100, 300, (1, 120, 120)).astype(np.int16)
    heights[:, 30:90, 30:90] = -9999
    heights[:, 5:8, 5:8] = -9999
    found = np.concatenate(list(blank_rows(_strips(heights, np.ones((120, 120), bool), 32), ((-9999.0, 0.0),), 1000)))
    assert found.sum() == 3600

"""Labels in colours: the legend is told by what a sample of them holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import layouts
import numpy as np
import pytest
from rasterio.windows import Window
from support import write_sheet

from geoseg.classes import ISPRS, NODATA, ClassTable
from geoseg.datasets.label_colours import told_legend
from geoseg.datasets.label_raster import open_labels, read_codes
from geoseg.errors import SheetError

RNG = np.random.default_rng(8)
TRUTH = layouts.patchwork(RNG, (200, 150))
MUTED = ((205, 200, 190), (178, 58, 60), (188, 205, 140), (74, 122, 64), (40, 40, 48), (140, 120, 160))
OWN = ClassTable(tuple(replace(c, colour=colour) for c, colour in zip(ISPRS.classes, MUTED, strict=True)))


def _codes(path: Path, table: ClassTable) -> np.ndarray:
    labels = open_labels(path)
    return read_codes(labels, told_legend(labels, table), labels.ground, Window(0, 0, 150, 200))


def _in(colours: object) -> np.ndarray:
    return np.array(colours, np.uint8)[TRUTH].transpose(2, 0, 1).copy()


def test_the_tables_own_colours(tmp_path: Path) -> None:
    assert (_codes(write_sheet(tmp_path / "l.tif", _in(MUTED)), OWN) == TRUTH).all()


def test_own_colours_that_were_stored_with_loss(tmp_path: Path) -> None:
    """The nearest colour within the stated distance; the rest is no label."""
    noisy = np.clip(_in(MUTED).astype(int) + RNG.integers(-9, 10, (3, 200, 150)), 0, 255).astype(np.uint8)
    noisy[:, :2] = np.array([0, 255, 255], np.uint8)[:, None, None]
    found = _codes(write_sheet(tmp_path / "l.tif", noisy), OWN)
    assert (found[2:] == TRUTH[2:]).all()
    assert (found[:2] == NODATA).all()


@pytest.mark.parametrize("table", [ISPRS, OWN])
def test_isprs_colours_by_thresholds_whatever_the_table_draws(tmp_path: Path, table: ClassTable) -> None:
    noisy = np.clip(_in(layouts.COLOURS).astype(int) + RNG.integers(-40, 41, (3, 200, 150)), 0, 255).astype(np.uint8)
    noisy[:, :3] = 0
    found = _codes(write_sheet(tmp_path / "l.tif", noisy), table)
    assert (found[3:] == TRUTH[3:]).all()
    assert (found[:3] == NODATA).all()


def test_other_colours_are_refused_with_their_shares(tmp_path: Path) -> None:
    pixels = np.repeat(np.array([[60, 16, 152], [132, 41, 246]], np.uint8), [150, 50], 0).T[:, :, None]
    path = write_sheet(tmp_path / "l.tif", np.repeat(pixels, 150, 2))
    with pytest.raises(SheetError, match=r"#3c1098 75 %, #8429f6 25 %.*#ffffff.*--class"):
        told_legend(open_labels(path), ISPRS)


def test_one_band_holds_values(tmp_path: Path) -> None:
    assert (_codes(write_sheet(tmp_path / "l.tif", TRUTH), OWN) == TRUTH).all()

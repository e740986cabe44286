"""From class to class: every pixel counts once, whatever the blocks."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import blobs
from support import write_sheet

from geoseg.errors import UsageError
from geoseg.stages.changes import scan as room
from geoseg.stages.changes import sides
from geoseg.stages.changes.landcover import LandCover, land_cover
from geoseg.stages.changes.scan import scan
from geoseg.stages.changes.sides import both_sides


def covered(folder: Path, old: np.ndarray, new: np.ndarray, tolerance: float, min_area: float) -> LandCover:
    """Land cover from one raster to another."""
    for name, pixels in (("old", old), ("new", new)):
        write_sheet(folder / name / "a_classes.tif", pixels, nodata=255)
    both = both_sides(folder / "old", folder / "new", tolerance)
    return land_cover(both, scan(both, min_area))


def pixels_of(cover: LandCover) -> np.ndarray:
    """The matrix as an array."""
    return cover.matrix["pixels"].to_numpy().reshape(6, 6)


@settings(max_examples=15)
@given(st.integers(0, 999), st.integers(20, 60), st.integers(20, 60), st.floats(0, 1), st.floats(0, 0.5))
def test_sums_of_the_matrix_are_the_counts_of_both_rasters(seed, high, wide, tolerance, min_area) -> None:
    old, new = blobs(seed, high, wide, 3), blobs(seed + 1, high, wide, 3)
    new[:high, : wide - 1] = 2  # there is always ground in common
    old[0, 0] = 1
    known = (old != 255) & (new != 255)
    with tempfile.TemporaryDirectory() as folder:
        there = covered(Path(folder) / "a", old, new, tolerance, min_area)
        back = covered(Path(folder) / "b", new, old, tolerance, min_area)
    assert pixels_of(there).sum(1).tolist() == np.bincount(old[known], minlength=6).tolist()
    assert pixels_of(there).sum(0).tolist() == np.bincount(new[known], minlength=6).tolist()
    assert (pixels_of(back) == pixels_of(there).T).all()
    for cover in (there, back):
        assert cover.balance["pixels"].sum() == known.sum()
        assert (cover.balance[["pixels", "area_m2"]] >= 0).all(axis=None)
        assert cover.polygons["pixels"].sum() == cover.balance["pixels"][1]
    assert there.polygons.geometry.equals(back.polygons.geometry)
    assert (there.polygons["from"] == back.polygons["to"]).all()


@pytest.mark.parametrize("size", [16, 37, 64])
def test_blocks_do_not_show(tmp_path, monkeypatch, size) -> None:
    old, new = blobs(3, 90, 100, 4), blobs(4, 90, 100, 4)
    whole = covered(tmp_path / "a", old, new, 0.5, 0.1)
    for module in (room, sides):
        monkeypatch.setattr(module, "BLOCK", size)
    parts = covered(tmp_path / "b", old, new, 0.5, 0.1)
    assert (pixels_of(whole) == pixels_of(parts)).all()
    assert whole.balance["pixels"].equals(parts.balance["pixels"])
    assert len(whole.polygons) > 5
    assert list(whole.polygons["id"]) == list(parts.polygons["id"])
    assert whole.polygons.normalize().equals(parts.polygons.normalize())


def test_what_is_narrow_or_small_is_a_sliver(tmp_path) -> None:
    old = np.full((100, 100), 2, np.uint8)
    new = old.copy()
    new[10:40, 10:40] = 1  # 9 m2
    new[50, 10:90] = 3  # 0.1 m wide
    new[60:64, 10:90] = 3  # 0.4 m wide
    new[70:80, 10:20] = 4  # 1 m2
    found = covered(tmp_path / "a", old, new, 0.5, 2)
    assert found.balance["pixels"].tolist() == [10_000 - 900 - 80 - 320 - 100, 900, 500]
    assert found.polygons[["from", "to"]].to_numpy().tolist() == [["low vegetation", "building"]]
    assert len(covered(tmp_path / "b", old, new, 0.3, 0.5).polygons) == 3


def test_classes_are_compared_by_name(tmp_path) -> None:
    """Another network may number its classes in another way, and have others."""
    old = np.repeat(np.array([[0, 1, 2, 2]], np.uint8), 4, 0)
    new = np.repeat(np.array([[7, 3, 7, 3]], np.uint8), 4, 0)
    tables = {0: "road", 1: "building", 2: "grass"}, {3: "building", 7: "road", 8: "water"}
    for name, pixels, table in (("old", old, tables[0]), ("new", new, tables[1])):
        path = write_sheet(tmp_path / name / "a_classes.tif", pixels, nodata=255)
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(GEOSEG_CLASSES=json.dumps(table))
    found = scan(both_sides(tmp_path / "old", tmp_path / "new"))
    assert found.names == ("road", "building", "grass", "water")
    assert found.pixels.tolist() == [[4, 0, 0, 0], [0, 4, 0, 0], [4, 4, 0, 0], [0, 0, 0, 0]]


def test_pixels_of_no_class_are_refused(tmp_path) -> None:
    pixels = np.full((20, 20), 2, np.uint8)
    odd = pixels.copy()
    odd[3, 3] = 77
    with pytest.raises(UsageError, match=r"hold values \[77\] of no class"):
        covered(tmp_path / "a", pixels, odd, 0.5, 1)
    for facts, words in (({"crs": None}, "no place"), ({"crs": "EPSG:4326"}, "no place")):
        write_sheet(tmp_path / "b/new/a_classes.tif", pixels, **facts)
        with pytest.raises(UsageError, match=words):
            both_sides(tmp_path / "a/old", tmp_path / "b/new")
    write_sheet(tmp_path / "b/new/a_classes.tif", np.stack([pixels] * 3))
    with pytest.raises(UsageError, match="has 3 bands of uint8"):
        both_sides(tmp_path / "a/old", tmp_path / "b/new")

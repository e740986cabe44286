"""A sheet that is replaced, cut, moved or deleted while a run is at work costs that sheet at most, never the run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support import PLACE, class_raster, moved, write_sheet

from geoseg.errors import UsageError
from geoseg.night.stages import run_stages
from geoseg.options import InferOptions, MosaicOptions, RunOptions
from geoseg.runfolder.folder import Run
from geoseg.sheets.photo import Photo
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(8)


def _truth(seed: int, side: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 6, (3, side, side)).astype(np.uint8)


def _options(network: Path) -> InferOptions:
    return InferOptions(model=(network,), engine="torch", precision="f32")


def _two(folder: Path) -> tuple[Path, Path]:
    """Two sheets side by side."""
    first = write_sheet(folder / "in/a.tif", _truth(1))
    return first, write_sheet(folder / "in/b.tif", _truth(2), place=moved(PLACE, 60, 0))


def _now(path: Path, nanoseconds: int) -> None:
    """Another time of change."""
    os.utime(path, ns=(nanoseconds, nanoseconds))


def _reading(monkeypatch, path: Path, act) -> None:
    """`act(number)` after each read of a sheet."""
    read, times = Photo.read_sheet, iter(range(10_000))

    def acting(self, sheet, part, *more):
        found = read(self, sheet, part, *more)
        if sheet.path == str(path):
            act(next(times))
        return found

    monkeypatch.setattr(Photo, "read_sheet", acting)


def test_a_sheet_that_was_written_again_is_planned_anew(tmp_path, truth_network) -> None:
    first, _ = _two(tmp_path)
    tile([tmp_path / "in"], tmp_path / "run")
    write_sheet(first, _truth(3))
    _now(first, 1)
    report = infer(tmp_path / "run", _options(truth_network))
    assert not report.quarantined
    mosaic(tmp_path / "run")
    assert np.array_equal(class_raster(tmp_path / "run")[0], np.hstack([_truth(3)[0], _truth(2)[0]]))


def test_a_sheet_that_is_written_while_it_is_read_is_planned_anew_once(tmp_path, truth_network, monkeypatch) -> None:
    _, late = _two(tmp_path)
    tile([tmp_path / "in"], tmp_path / "run")

    def once(number: int) -> None:
        if number == 0:
            write_sheet(late, _truth(4), place=moved(PLACE, 60, 0))
            _now(late, 5)

    _reading(monkeypatch, late, once)
    assert not infer(tmp_path / "run", _options(truth_network)).quarantined
    mosaic(tmp_path / "run")
    assert np.array_equal(class_raster(tmp_path / "run")[0], np.hstack([_truth(1)[0], _truth(4)[0]]))


def test_a_sheet_that_changes_again_and_again_is_set_aside_until_the_next_run(
    tmp_path, truth_network, monkeypatch
) -> None:
    _, late = _two(tmp_path)
    tile([tmp_path / "in"], tmp_path / "run")
    _reading(monkeypatch, late, lambda number: _now(late, 100 + number))
    report = infer(tmp_path / "run", _options(truth_network))
    assert [p.endswith("b.tif") for p in report.quarantined] == [True]
    assert "written while it was read" in Run(tmp_path / "run").plan.quarantined[0].reason
    mosaic(tmp_path / "run")
    assert np.array_equal(class_raster(tmp_path / "run")[0], _truth(1)[0])
    monkeypatch.undo()
    _now(late, 9)
    assert not tile([tmp_path / "in"], tmp_path / "run").plan.quarantined
    assert infer(tmp_path / "run", _options(truth_network)).computed


@pytest.mark.parametrize("what", ["deleted", "moved away", "cut", "another kind", "far away", "of no place", "larger"])
def test_what_becomes_of_a_sheet_between_tile_and_infer(tmp_path, truth_network, what) -> None:
    _, late = _two(tmp_path)
    tile([tmp_path / "in"], tmp_path / "run")
    place = moved(PLACE, 60, 0)
    if what == "deleted":
        late.unlink()
    elif what == "moved away":
        late.rename(tmp_path / "b.tif")
    elif what == "cut":
        late.write_bytes(late.read_bytes()[:200])
    elif what == "another kind":
        write_sheet(late, _truth(5)[:1], place=place)
    elif what == "far away":
        write_sheet(late, _truth(5), place=moved(place, 3_000_000, 0))
    elif what == "of no place":
        write_sheet(late, _truth(5), place=moved(place, 0, 0), crs=None)
    else:
        write_sheet(late, _truth(5, 70), place=place)
    report = infer(tmp_path / "run", _options(truth_network))
    mosaic(tmp_path / "run")
    pixels = class_raster(tmp_path / "run")[0]
    assert np.array_equal(pixels[:60, :60], _truth(1)[0])
    if what in ("larger", "of no place"):  # a file without a CRS has that of the plan
        assert not report.quarantined
        side = 70 if what == "larger" else 60
        assert np.array_equal(pixels[:, 60:], _truth(5, side)[0])
    else:
        assert len(report.quarantined) == 1
        assert pixels.shape == (60, 60)


def test_where_the_last_sheet_is_lost_the_run_says_so(tmp_path, truth_network) -> None:
    path = write_sheet(tmp_path / "s.tif", _truth(1))
    tile([path], tmp_path / "run")
    path.unlink()
    with pytest.raises(UsageError, match="no usable sheet is left"):
        infer(tmp_path / "run", _options(truth_network))


def test_a_sheet_that_is_written_again_before_the_mosaic_costs_no_night(tmp_path, truth_network, monkeypatch) -> None:
    """The mosaic reads masks of sheets; what has changed is computed again first."""
    first = write_sheet(tmp_path / "in/a.tif", _truth(1), nodata=9)
    write_sheet(tmp_path / "in/b.tif", _truth(2), place=moved(PLACE, 60, 0), nodata=9)
    validity, changed = Photo.validity, []

    def changing(self, sheet, part):
        if sheet.path == str(first) and not changed:
            changed.append(write_sheet(first, _truth(6), nodata=9))
            _now(first, 11)
        return validity(self, sheet, part)

    monkeypatch.setattr(Photo, "validity", changing)
    options = RunOptions(infer=_options(truth_network), mosaic=MosaicOptions(vectors=False))
    report = run_stages([tmp_path / "in"], tmp_path / "run", options)
    assert changed
    assert report.complete
    assert np.array_equal(class_raster(tmp_path / "run")[0], np.hstack([_truth(6)[0], _truth(2)[0]]))

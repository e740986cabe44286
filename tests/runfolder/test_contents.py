"""Bytes of sheets: what was only touched makes nothing stale."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from plans import a_plan, a_sheet

from geoseg.runfolder.contents import recognise, remember
from geoseg.runfolder.folder import Run
from geoseg.sheets.door import stat_key


@pytest.fixture
def sheet(tmp_path) -> Path:
    """A file; only its bytes and its stat matter here."""
    path = tmp_path / "a.tif"
    path.write_bytes(b"pixels")
    return path


def _planned(run: Run, path: Path):
    one = replace(a_sheet(), path=str(path), stat=stat_key(path))
    run.save(a_plan(one))
    return one


def _touch(path: Path) -> None:
    os.utime(path, ns=(5, stat_key(path)[1] + 10**9))


def test_bytes_are_hashed_once(tmp_path, sheet) -> None:
    run = Run(tmp_path / "run")
    _planned(run, sheet)
    assert remember(run) == 1
    assert remember(run) == 0


def test_a_touched_file_is_known_by_its_bytes_and_another_is_not(tmp_path, sheet) -> None:
    run = Run(tmp_path / "run")
    before = _planned(run, sheet)
    remember(run)
    _touch(sheet)
    now = replace(before, stat=stat_key(sheet))
    (found,) = recognise(run, [now], run.plan)
    assert found.known_as == before.stat
    assert found.key == before.key
    sheet.write_bytes(b"PIXELS")
    other = replace(before, stat=stat_key(sheet))
    assert recognise(run, [other], run.plan) == [other]
    assert other.key != before.key


def test_touched_again_and_again_it_stays_what_it_was_first(tmp_path, sheet) -> None:
    run = Run(tmp_path / "run")
    first = _planned(run, sheet)
    for _ in range(3):
        remember(run)
        _touch(sheet)
        (found,) = recognise(run, [replace(first, stat=stat_key(sheet))], run.plan)
        assert found.key == first.key
        run.save(a_plan(found))


def test_without_hashes_nothing_is_recognised(tmp_path, sheet) -> None:
    run = Run(tmp_path / "run")
    before = _planned(run, sheet)
    _touch(sheet)
    now = replace(before, stat=stat_key(sheet))
    assert recognise(run, [now], run.plan) == [now]
    run.contents_json.write_text("{")
    assert recognise(run, [now], run.plan) == [now]
    new = replace(now, path=str(tmp_path / "new.tif"))
    assert recognise(run, [new], run.plan) == [new]


def test_a_file_that_is_gone_is_not_hashed(tmp_path, sheet) -> None:
    run = Run(tmp_path / "run")
    _planned(run, sheet)
    sheet.unlink()
    assert remember(run) == 0


def _moved_to(folder: Path, path: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return path.rename(folder / path.name)


def test_a_sheet_in_another_folder_is_known_by_its_bytes(tmp_path, sheet) -> None:
    run = Run(tmp_path / "run")
    before = _planned(run, sheet)
    remember(run)
    there = _moved_to(tmp_path / "elsewhere", sheet)
    (found,) = recognise(run, [replace(before, path=str(there), stat=stat_key(there))], run.plan)
    assert found.key == before.key
    assert found.path == str(there)
    run.save(a_plan(found))
    assert run.plan.sheets[0].key == before.key
    remember(run)
    again = _moved_to(tmp_path / "third", there)
    (found,) = recognise(run, [replace(before, path=str(again), stat=stat_key(again))], run.plan)
    assert found.key == before.key
    again.write_bytes(b"PIXELS")
    (other,) = recognise(run, [replace(before, path=str(again), stat=stat_key(again))], run.plan)
    assert other.key != before.key


def test_moved_sheets_keep_their_order_and_new_ones_their_place(tmp_path) -> None:
    run, sheets = Run(tmp_path / "run"), []
    for name in "ab":
        path = tmp_path / f"{name}.tif"
        path.write_bytes(name.encode())
        sheets.append(replace(a_sheet(), path=str(path), stat=stat_key(path)))
    run.save(a_plan(*sheets))
    remember(run)
    moved = [_moved_to(tmp_path / folder, Path(s.path)) for s, folder in zip(sheets, ("z", "y"), strict=True)]
    new = replace(a_sheet(), path=str(tmp_path / "x.tif"), stat=(1, 1))
    listed = [new, *(replace(a_sheet(), path=str(p), stat=stat_key(p)) for p in reversed(moved))]
    found = recognise(run, listed, run.plan)
    assert [s.path for s in found] == [new.path, *map(str, moved)]
    assert [s.key for s in found[1:]] == [s.key for s in sheets]


def test_a_copy_beside_the_original_is_a_sheet_of_its_own(tmp_path, sheet) -> None:
    run = Run(tmp_path / "run")
    before = _planned(run, sheet)
    remember(run)
    copy = tmp_path / "b.tif"
    copy.write_bytes(sheet.read_bytes())
    both = [before, replace(before, path=str(copy), stat=stat_key(copy))]
    assert recognise(run, both, run.plan) == both

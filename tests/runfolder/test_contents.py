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

"""Nights as folders: published, switched, pruned."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from geoseg.commit import commit_state, digest
from geoseg.errors import PlanError, UsageError
from geoseg.night.publish import date_of, latest, nights, prune, publish
from geoseg.runfolder.folder import Run


@pytest.fixture
def run(tmp_path) -> Run:
    return _finish(Run(tmp_path / "run"), b"one")


def _finish(run: Run, data: bytes) -> Run:
    """As a mosaic leaves it: two outputs, one of them in a folder."""
    names = ["out/a.tif", "out/sheets/b.tif"]
    for name in names:
        path = run.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data + name.encode())
    commit_state(run.run_json, {"files": names, "sha256": {n: digest(run.folder / n) for n in names}})
    return run


def _aged(run: Run, days: float) -> None:
    """All nights that there are were published so long ago."""
    for night in nights(run):
        facts = json.loads((night.folder / "night.json").read_text())
        facts["published"] -= days * 86400
        (night.folder / "night.json").write_text(json.dumps(facts))


def test_a_night_holds_every_output_and_latest_leads_to_it(run) -> None:
    folder = publish(run, "2026-01-01")
    assert folder == run.out / "2026-01-01"
    assert latest(run) == folder.resolve()
    assert (folder / "sheets/b.tif").read_bytes() == b"oneout/sheets/b.tif"
    assert (folder / "a.tif").stat().st_ino == (run.out / "a.tif").stat().st_ino  # it costs nothing
    assert [(n.date, n.folder) for n in nights(run)] == [("2026-01-01", folder)]
    assert os.readlink(run.latest) == "2026-01-01"  # the run can be moved


def test_the_same_outputs_are_published_once_for_a_date_and_others_beside_them(run) -> None:
    first = publish(run, "2026-01-01")
    assert publish(run, "2026-01-01") == first
    _finish(run, b"two")
    assert publish(run, "2026-01-01").name == "2026-01-01.2"
    _finish(run, b"three")
    assert publish(run, "2026-01-01").name == "2026-01-01.3"
    _finish(run, b"one")
    assert publish(run, "2026-01-01") == first
    assert latest(run) == first.resolve()
    assert len(nights(run)) == 3


def test_what_is_published_does_not_change_when_outputs_do(run) -> None:
    folder = publish(run, "2026-01-01")
    _finish(run, b"two")
    assert (folder / "a.tif").read_bytes() == b"oneout/a.tif"


@pytest.mark.parametrize("knows", [True, False])
def test_a_map_that_is_edited_later_does_not_change_the_night(run, knows, monkeypatch) -> None:
    if not knows:
        monkeypatch.delattr(os, "copy_file_range")
    package, made = run.out / "map.gpkg", b"made" * 100_000
    package.write_bytes(made)
    names = ["out/map.gpkg"]
    commit_state(run.run_json, {"files": names, "sha256": {n: digest(run.folder / n) for n in names}})
    folder = publish(run, "2026-01-01")
    with package.open("rb+") as file:  # as SQLite writes: into the same file
        file.write(b"mine")
    assert (folder / "map.gpkg").read_bytes() == made


def test_an_output_that_is_missing_is_named_and_nothing_is_published(run) -> None:
    (run.out / "a.tif").unlink()
    with pytest.raises(PlanError, match="is missing"):
        publish(run, "2026-01-01")
    assert nights(run) == []
    assert not run.latest.exists()
    assert not list(run.out.glob(".*"))


def test_a_disk_without_hard_links_gets_copies(run, monkeypatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    folder = publish(run, "2026-01-01")
    assert (folder / "a.tif").read_bytes() == (run.out / "a.tif").read_bytes()
    assert (folder / "a.tif").stat().st_ino != (run.out / "a.tif").stat().st_ino


def _five(run: Run) -> list[Path]:
    folders = []
    for day in range(1, 6):
        folders.append(publish(_finish(run, bytes([64 + day])), f"2026-01-0{day}"))
        _aged(run, 1)
    return folders


@pytest.mark.parametrize(
    ("keep", "older", "left"), [(1, 0, 2), (2, 0, 2), (3, 0, 3), (9, 0, 5), (1, 3.5, 3), (1, 99, 5)]
)
def test_as_many_nights_stay_as_were_asked_for_and_latest_with_its_predecessor(run, keep, older, left) -> None:
    folders = _five(run)
    told = prune(run, keep, older * 86400, dry_run=True)
    assert len(nights(run)) == 5
    assert prune(run, keep, older * 86400) == told == folders[: 5 - left]
    assert [n.folder for n in nights(run)] == folders[5 - left :]
    assert latest(run) == folders[-1].resolve()


def test_a_clock_that_was_set_back_removes_nothing(run, monkeypatch) -> None:
    _five(run)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert prune(run, 1, 30 * 86400) == []


def test_at_least_one_stays(run) -> None:
    with pytest.raises(UsageError, match="--keep"):
        prune(run, 0, 0)


def test_today_is_a_date() -> None:
    assert date_of("today") == time.strftime("%Y-%m-%d")
    assert date_of("2026-01-01") == "2026-01-01"

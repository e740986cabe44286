"""The question that a night is asked, and the answer that the last one gave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from plans import a_plan

from geoseg.commit import commit_state
from geoseg.night.stamp import keep, marks, question, unchanged
from geoseg.runfolder.folder import Run


@pytest.fixture
def run(tmp_path) -> Run:
    """A run folder with a plan, a job and an output."""
    run = Run(tmp_path / "run")
    run.save(a_plan())
    commit_state(run.infer_json, {"job": "a"})
    run.out.mkdir()
    (run.out / "a.tif").write_bytes(b"raster")
    (run.out / "latest").symlink_to("a.tif")
    return run


@pytest.fixture
def sheets(tmp_path) -> list[Path]:
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path in paths:
        path.write_bytes(b"pixels")
    return paths


OPTIONS = {"tta": "none", "threads": 2}


def test_the_same_question_is_the_same(sheets) -> None:
    assert question(sheets, [], OPTIONS) == question(sheets, [], dict(reversed(OPTIONS.items())))


@pytest.mark.parametrize("beside", ["a.tif", "a.tfw", "a.tif.msk", "a.prj", "net.json"])
def test_whatever_lies_beside_an_input_is_part_of_the_question(sheets, tmp_path, beside) -> None:
    model = tmp_path / "net.pt"
    model.touch()
    before = question(sheets, [model], OPTIONS)
    path = tmp_path / beside
    path.write_bytes(b"other")
    os.utime(path, ns=(5, 5))
    assert question(sheets, [model], OPTIONS) != before


def test_other_options_sheets_or_models_are_another_question(sheets, tmp_path) -> None:
    before = question(sheets, [], OPTIONS)
    assert question(sheets[:1], [], OPTIONS) != before
    assert question(sheets[::-1], [], OPTIONS) != before  # the first of two that overlap wins
    assert question(sheets, [tmp_path / "none"], OPTIONS) != before
    assert question(sheets, [], {**OPTIONS, "tta": "flip"}) != before


def test_an_answer_holds_until_a_file_of_the_run_is_touched(run, sheets) -> None:
    asked = question(sheets, [], OPTIONS)
    assert unchanged(run, asked) is None
    keep(run, asked, marks(run), {"sheets": 2})
    assert unchanged(run, asked) == {"sheets": 2}
    assert unchanged(run, question(sheets[:1], [], OPTIONS)) is None
    (run.locks / "x.lock").write_text("locks do not count")
    assert unchanged(run, asked) == {"sheets": 2}
    os.utime(run.out / "a.tif", ns=(1, 1))
    assert unchanged(run, asked) is None


@pytest.mark.parametrize("change", ["new file", "gone", "link", "longer"])
def test_any_change_of_the_run_folder_is_seen(run, sheets, change) -> None:
    asked = question(sheets, [], OPTIONS)
    keep(run, asked, marks(run), {})
    if change == "new file":
        (run.out / "b.tif").touch()
    elif change == "gone":
        (run.out / "a.tif").unlink()
    elif change == "link":
        (run.out / "latest").unlink()
        (run.out / "latest").symlink_to("b.tif")
    else:
        stat = (run.out / "a.tif").stat()
        (run.out / "a.tif").write_bytes(b"longer raster")
        os.utime(run.out / "a.tif", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert unchanged(run, asked) is None


def test_nothing_is_kept_where_somebody_else_has_begun(run, sheets) -> None:
    asked, seen = question(sheets, [], OPTIONS), marks(run)
    with run.lock():
        keep(run, asked, seen, {})
    assert unchanged(run, asked) is None
    commit_state(run.infer_json, {"job": "b"})
    keep(run, asked, seen, {})
    assert unchanged(run, asked) is None
    assert not run.stamp_json.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"asked": 1}', "null"])
def test_a_damaged_answer_is_none(run, sheets, text) -> None:
    asked = question(sheets, [], OPTIONS)
    run.stamp_json.write_text(text)
    assert unchanged(run, asked) is None

"""Who is at work on a run: seen while a stage holds its lock, forgotten when it ends or dies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geoseg.progress import Moment, unheard
from geoseg.runfolder import at_work as room
from geoseg.runfolder.at_work import at_work, watched_by_status
from geoseg.runfolder.folder import Run

HALF = Moment("patches", 2, 2, 50_000_000, 100_000_000, "px")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_stage_is_seen_with_its_step_while_it_works_and_not_after(run: Run, monkeypatch) -> None:
    heard: list[Moment] = []
    assert at_work(run) == []
    with run.lock(), watched_by_status(run, "infer", "plan", heard.append) as hear:
        assert [(one.stage, one.moment) for one in at_work(run)] == [("infer", None)]
        hear(Moment("patches", 2, 2, 0, 100_000_000, "px"))
        monkeypatch.setattr(room, "RARELY", 0)
        hear(HALF)
        (one,) = at_work(run)
        assert one.moment == HALF
        assert one.said.startswith("infer [2/2] patches 50 % (50.0 of 100.0 Mpx, ")
        assert one.said.endswith(" left)")
    assert heard[-1] == HALF
    assert at_work(run) == []
    assert [p.name for p in run.locks.iterdir()] == ["plan.lock"]


def test_shards_are_seen_beside_each_other(run: Run) -> None:
    with run.lock("shard_1_of_2"), run.lock("shard_2_of_2"), watched_by_status(run, "infer", "shard_2_of_2", unheard):
        assert [one.said for one in at_work(run)] == ["another geoseg (shard_1_of_2)", "infer (shard_2_of_2)"]


def test_what_was_killed_does_not_look_alive(run: Run) -> None:
    """Neither while nobody works, nor to whoever takes the lock next."""
    code = (
        "import sys, os, signal; from pathlib import Path; from geoseg.runfolder.folder import Run\n"
        "from geoseg.runfolder.at_work import watched_by_status; from geoseg.progress import Moment\n"
        "run = Run(Path(sys.argv[1]))\n"
        "with run.lock(), watched_by_status(run, 'infer', 'plan', print) as hear:\n"
        "    hear(Moment('network', 1, 2))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, run.folder], capture_output=True).returncode == -9
    assert (run.locks / "plan.progress").exists()
    assert at_work(run) == []
    with run.lock():
        assert [one.said for one in at_work(run)] == ["another geoseg"]


def test_another_host_is_seen_until_its_heart_stops(run: Run) -> None:
    run.locks.mkdir()
    lock = run.locks / "plan.lock"
    lock.write_text('{"host": "elsewhere", "since": "2026-01-01T00:00:00Z"}')
    assert [one.host for one in at_work(run)] == ["elsewhere"]
    os.utime(lock, (time.time() - 120, time.time() - 120))
    assert at_work(run) == []
    assert lock.read_text()  # only looked at


def test_a_look_takes_no_lock_from_anybody(run: Run) -> None:
    for _ in range(50):
        with run.lock():
            assert len(at_work(run)) == 1


def test_a_note_that_cannot_be_written_costs_nothing(run: Run) -> None:
    with run.lock():
        (run.locks / "plan.progress").mkdir()
        with watched_by_status(run, "infer", "plan", unheard) as hear:
            hear(HALF)
            assert at_work(run)[0].said == "another geoseg"

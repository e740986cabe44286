"""One at a time."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from geoseg.errors import Busy, EnvironmentFault
from geoseg.runfolder.lease import STALE, held_locks, lease


def test_two_at_once_the_second_is_told_to_come_back(tmp_path, geoseg, sheet, truth_network):
    from geoseg.runfolder.lease import lease

    geoseg("tile", sheet, "-o", tmp_path / "run")
    with lease(tmp_path / "run" / "locks"):
        code, _, err = geoseg("infer", tmp_path / "run", "--model", truth_network, "--engine", "torch")
    assert code == 75
    assert "another geoseg works on this run" in err
    assert geoseg("infer", tmp_path / "run", "--model", truth_network, "--engine", "torch")[0] == 0


def test_another_hosts_heartbeat_counts_until_it_is_stale(tmp_path, geoseg, sheet):
    geoseg("tile", sheet, "-o", tmp_path / "run")
    lock = tmp_path / "run/locks/plan.lock"
    lock.write_text('{"host": "elsewhere", "since": ""}')
    assert geoseg("tile", sheet, "-o", tmp_path / "run")[0] == 75
    os.utime(lock, (time.time() - 120, time.time() - 120))
    assert geoseg("tile", sheet, "-o", tmp_path / "run")[0] == 0


def test_a_lock_is_free_again_whatever_happened_inside(tmp_path) -> None:
    with pytest.raises(ZeroDivisionError), lease(tmp_path):
        raise ZeroDivisionError
    with lease(tmp_path):
        pass
    assert (tmp_path / "plan.lock").read_text() == ""


def test_locks_of_other_names_do_not_count(tmp_path) -> None:
    with lease(tmp_path, "shard_1_of_2"), lease(tmp_path, "shard_2_of_2"), lease(tmp_path):
        assert held_locks(tmp_path, "shard_*") == ["shard_1_of_2", "shard_2_of_2"]
        with pytest.raises(Busy, match="works on its shard_1_of_2"), lease(tmp_path, "shard_1_of_2"):
            pass
    assert held_locks(tmp_path, "*") == []


def test_patience_waits_for_the_other_one(tmp_path) -> None:
    held, order = threading.Event(), []

    def other() -> None:
        with lease(tmp_path):
            held.set()
            time.sleep(0.3)
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    held.wait()
    with lease(tmp_path, patience=20):
        order.append("mine")
    thread.join()
    assert order == ["other", "mine"]


def test_who_holds_a_lock_is_written_in_it(tmp_path) -> None:
    with lease(tmp_path):
        assert json.loads((tmp_path / "plan.lock").read_text())["host"] == socket.gethostname()


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"host": null}'])
def test_nonsense_in_a_lock_holds_nobody_up(tmp_path, text) -> None:
    (tmp_path / "plan.lock").write_text(text)
    with lease(tmp_path):
        pass


@pytest.mark.parametrize(("age", "busy"), [(STALE - 20, True), (STALE + 20, False)])
def test_a_lock_of_another_host_counts_until_its_heart_has_stopped(tmp_path, age, busy) -> None:
    lock = tmp_path / "plan.lock"
    lock.write_text('{"host": "elsewhere", "since": ""}')
    when = time.time() - age
    os.utime(lock, (when, when))
    assert held_locks(tmp_path, "plan") == (["plan"] if busy else [])
    if busy:
        with pytest.raises(Busy), lease(tmp_path):
            pass
    else:
        with lease(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="cannot be written"), lease(Path(tmp_path / "file" / "locks")):
        pass

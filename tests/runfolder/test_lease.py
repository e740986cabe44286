"""One at a time."""

from __future__ import annotations

import os
import time


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

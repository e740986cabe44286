"""What disks, clocks and networks do to a run folder: it is noticed, or it changes nothing."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from support import PLACE, moved, write_sheet

from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.night.stages import run_stages
from geoseg.options import InferOptions, MosaicOptions, RunOptions, TileOptions


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A folder of four small sheets."""
    sheets = tmp_path_factory.mktemp("faults") / "sheets"
    rng = np.random.default_rng(5)
    for k in range(4):
        pixels = np.kron(rng.integers(0, 255, (3, 16, 16), np.uint8), np.ones((1, 8, 8), np.uint8))
        write_sheet(sheets / f"s{k}.tif", pixels, place=moved(PLACE, 128 * (k % 2), 128 * (k // 2)), compress="deflate")
    return sheets


@pytest.fixture(scope="module")
def done(town, tmp_path_factory, blur_network):
    """(a night, a run folder that it finished, what must not change in it)."""
    run = tmp_path_factory.mktemp("done") / "run"
    options = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1)

    def night(where: Path):
        mosaicking = MosaicOptions(name="town", vectors=False)
        return run_stages([town], where, RunOptions(TileOptions(block_size=64), options, mosaicking))

    night(run)
    return night, run, _results(run)


def _results(run: Path) -> dict[str, bytes]:
    files = [*(run / "blocks").glob("*.tif"), *(run / "out").rglob("*.tif")]
    return {str(p.relative_to(run)): p.read_bytes() for p in files}


def _copied(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


STATE = ("plan.json", "infer.json", "engine.json", "run.json", "contents.json", "blocks/*.json")

PIXELS = ("blocks/*.tif", "out/town_classes.tif", "out/sheets/s0_classes.tif")


@pytest.mark.parametrize("pattern", STATE)
def test_a_flipped_bit_in_what_geoseg_remembers_is_never_believed(done, tmp_path, pattern) -> None:
    """The next night names the file, or ends with the same pixels."""
    night, whole, results = done
    run = _copied(whole, tmp_path / "run")
    rng = random.Random(pattern)
    for _ in range(5):
        path = rng.choice(sorted(run.glob(pattern)))
        kept = path.read_bytes()
        data = bytearray(kept)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(data))
        try:
            night(run)
        except PlanError as error:
            assert path.name in error.subject
            assert error.cure
            path.write_bytes(kept)
        assert _results(run) == results


@pytest.mark.parametrize("harm", ["gone", "empty", "half", "zeros", "another's"])
@pytest.mark.parametrize("pattern", STATE)
def test_harm_to_what_geoseg_remembers(done, tmp_path, pattern, harm) -> None:
    night, whole, results = done
    run = _copied(whole, tmp_path / "run")
    path = min(run.glob(pattern))
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        other = max(run.glob("blocks/*.json")).read_bytes()
        path.write_bytes(
            {"empty": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data)), "another's": other}[harm]
        )
    try:
        night(run)
    except PlanError as error:
        assert path.name in error.subject
        path.unlink()
        night(run)
    assert _results(run) == results


@pytest.mark.parametrize("harm", ["gone", "empty", "half", "longer"])
@pytest.mark.parametrize("pattern", PIXELS)
def test_harm_to_blocks_and_outputs_is_made_good(done, tmp_path, pattern, harm) -> None:
    night, whole, results = done
    run = _copied(whole, tmp_path / "run")
    path = min(run.glob(pattern))
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "longer": data + b"x"}[harm])
    night(run)
    assert _results(run) == results


@pytest.mark.parametrize("moved_by", [-40 * 365 * 86400, 40 * 365 * 86400])
def test_clocks_decide_nothing(done, tmp_path, moved_by) -> None:
    """All files of the run from another age, locks too: nothing is computed again, and the lock is no obstacle."""
    night, whole, results = done
    run = _copied(whole, tmp_path / "run")
    when = time.time() + moved_by
    for path in run.rglob("*"):
        os.utime(path, (when, when))
    report = night(run)
    assert report.infer.computed == 0
    assert report.mosaic.skipped
    assert _results(run) == results


def test_a_clock_that_jumps_in_the_night(town, done, tmp_path, monkeypatch) -> None:
    night, _, results = done
    whole = time.time
    jumps = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: whole() + (-86400 if next(jumps) % 2 else 86400))
    night(tmp_path / "run")
    assert _results(tmp_path / "run") == results


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
@pytest.mark.parametrize("part", ["", "blocks", "out"])
def test_a_disk_that_is_read_only(done, tmp_path, part) -> None:
    """Exit code 4 with its name; once it can be written, the same command goes on."""
    night, whole, results = done
    run = _copied(whole, tmp_path / "run")
    for path in (run / "blocks").glob("*"):
        path.unlink()
    (run / "run.json").unlink()
    mount = run / part
    subprocess.run(["mount", "--bind", mount, mount], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", mount], check=True)
        with pytest.raises((EnvironmentFault, OSError, GeosegError)) as caught:
            night(run)
        assert getattr(caught.value, "exit_code", 4) == 4
        assert str(run) in str(caught.value)
    finally:
        subprocess.run(["umount", mount], check=True)
    night(run)
    assert _results(run) == results

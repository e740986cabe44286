"""Guarantee 6: killed, interrupted, on a full disk, with a worker gone or a sheet damaged: nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fakes import BlurNetwork, save_network
from support import COMMAND, PLACE, block_hashes, class_raster, moved, write_sheet

from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile
from geoseg.work.executor import executor

RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def killable(tmp_path_factory):
    """(run folder -> the command that makes it, a run that was left alone)."""
    folder = tmp_path_factory.mktemp("killable")
    network = save_network(folder / "blur.pt", BlurNetwork(), margin=4)
    path = write_sheet(folder / "s.tif", RNG.integers(0, 255, (3, 1500, 1500)).astype(np.uint8))
    options = ["--model", str(network), "--engine", "torch", "--block-size", "256", "--threads", "1", "--no-vectors"]

    def command(run: Path) -> list[str]:
        return [*COMMAND, "-q", "run", str(path), "-o", str(run), *options]

    subprocess.run(command(folder / "whole"), check=True)
    return command, folder / "whole"


@pytest.mark.parametrize(
    "moment", [pytest.param(0.3, marks=pytest.mark.slow), 0.6, pytest.param(1.2, marks=pytest.mark.slow)]
)
def test_kill_9_and_the_same_command_again(tmp_path, killable, moment):
    """Killed at any moment, the same command ends with the same pixels, and no half file bears a final name."""
    command, whole = killable
    process = subprocess.Popen(command(tmp_path / "killed"))
    limit = time.monotonic() + 60
    while not list((tmp_path / "killed/blocks").glob("*.json")) and time.monotonic() < limit:
        time.sleep(0.02)
    time.sleep(moment)
    process.kill()
    process.wait()
    for file in (tmp_path / "killed").rglob("*.tif"):
        if not file.name.startswith("."):
            with rasterio.open(file) as dataset:
                dataset.read()
    subprocess.run(command(tmp_path / "killed"), check=True)
    assert np.array_equal(class_raster(tmp_path / "killed")[0], class_raster(whole)[0])


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_signals_end_it_soon_with_their_code(tmp_path, name, code):
    network = save_network(tmp_path / "blur.pt", BlurNetwork(), margin=4)
    path = write_sheet(tmp_path / "s.tif", RNG.integers(0, 255, (3, 3000, 3000)).astype(np.uint8))
    process = subprocess.Popen(
        [
            *COMMAND,
            "run",
            str(path),
            "-o",
            str(tmp_path / "run"),
            "--model",
            str(network),
            "--engine",
            "torch",
            "--threads",
            "1",
        ],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite run in the background ignores it
    )
    limit = time.monotonic() + 60
    while not (tmp_path / "run/engine.json").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert b"Traceback" not in err


def test_a_full_disk_is_said_and_leaves_nothing_half(tmp_path, sheet, blur_network):
    """Files limited to 20 kB: exit 4, no torn file; without the limit the same command completes."""
    import resource

    command = [
        *COMMAND,
        "-q",
        "run",
        str(sheet),
        "-o",
        str(tmp_path / "run"),
        "--model",
        str(blur_network),
        "--engine",
        "torch",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 4, done.stderr
    assert "geoseg: error:" in done.stderr
    assert not [p for p in (tmp_path / "run").rglob("*") if p.is_file() and p.stat().st_size == 20_000]
    subprocess.run(command, check=True)


def test_a_read_only_folder_is_said(tmp_path, geoseg, sheet):
    (tmp_path / "file").write_text("not a folder")
    code, _, err = geoseg("tile", sheet, "-o", tmp_path / "file" / "run")
    assert code == 4
    assert "cannot be written" in err


def test_damage_that_one_shard_meets_is_known_to_all(job, planned, tmp_path) -> None:
    bad = Path(Run(planned).plan.sheets[0].path)
    whole = bad.read_bytes()
    stat = bad.stat()
    try:
        data = bytearray(whole)
        data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
        bad.write_bytes(data)
        os.utime(bad, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        for shard in ((1, 2), (0, 2), (1, 2)):
            infer(planned, job[1], shard=shard)
        assert [q.path for q in Run(planned).plan.quarantined] == [str(bad)]
        sheets = [Path(s.path) for s in Run(planned).plan.sheets]
        grid = tmp_path / "without"
        shutil.copytree(planned, grid, ignore=shutil.ignore_patterns("blocks"))
        infer(grid, job[1])
        assert len(sheets) == 11
        assert block_hashes(grid) == block_hashes(planned)
    finally:
        bad.write_bytes(whole)
        os.utime(bad, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_killed_worker_costs_no_pixel(job, alone, planned) -> None:
    with executor(workers=2) as two:
        victims = [w["pid"] for w in _workers(two.client)]

        def kill() -> None:
            while not list((planned / "blocks").glob("*.json")):
                time.sleep(0.02)
            os.kill(victims[0], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        infer(planned, job[1], executor=two)
        killer.join()
    assert block_hashes(planned) == alone


def _workers(client) -> list[dict[str, int]]:
    return [{"pid": pid} for pid in client.run(os.getpid).values()]


RNG = np.random.default_rng(11)


def test_damage_that_shows_in_mid_run_costs_that_sheet(tmp_path, blur_network):
    """A sheet whose last tiles are gone: the result is that of a run without it."""
    image = RNG.integers(0, 255, (3, 256, 256)).astype(np.uint8)
    write_sheet(tmp_path / "in/a.tif", image[:, :, :128], compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    bad = write_sheet(
        tmp_path / "in/b.tif",
        image[:, :, 128:],
        place=moved(PLACE, 128, 0),
        compress="deflate",
        tiled=True,
        blockxsize=64,
        blockysize=64,
    )
    data = bytearray(bad.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = os.urandom(400)
    bad.write_bytes(data)
    options = InferOptions(model=(blur_network,), engine="torch")
    tile([tmp_path / "in"], tmp_path / "run", TileOptions(block_size=64))
    report = infer(tmp_path / "run", options)
    assert [p.endswith("b.tif") for p in report.quarantined] == [True]
    assert "damaged" in Run(tmp_path / "run").plan.quarantined[0].reason
    mosaic(tmp_path / "run")
    tile([tmp_path / "in/a.tif"], tmp_path / "alone", TileOptions(block_size=64))
    infer(tmp_path / "alone", options)
    mosaic(tmp_path / "alone")
    assert np.array_equal(class_raster(tmp_path / "run")[0], class_raster(tmp_path / "alone")[0])

"""The command line: help, messages, exit codes, resume, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import BlurNetwork, class_raster, save_network, write_sheet

RNG = np.random.default_rng(2)
COMMAND = [sys.executable, "-m", "geoseg.cli.main"]


@pytest.fixture
def sheet(tmp_path):
    return write_sheet(tmp_path / "s.tif", RNG.integers(0, 255, (3, 200, 220)).astype(np.uint8))


def test_help_imports_nothing_heavy():
    code = "import sys, geoseg.cli.main as m; m.cli.main(['--help'], standalone_mode=False); print([n for n in ('torch', 'rasterio', 'numpy', 'shapely') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "tile" in done.stdout


@pytest.mark.parametrize("command", ["tile", "infer", "mosaic", "run", "status", "model", "sample", "demo"])
def test_every_command_has_help(geoseg, command):
    code, out, _ = geoseg(command, "--help")
    assert code == 0
    assert out.startswith("Usage: geoseg")
    assert len(out.splitlines()) > 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tiel"], 2, "Did you mean 'tile'"),
        (["tile", "SHEET"], 2, "--out"),
        (
            ["tile", "SHEET", "-o", "RUN", "--patch-size", "64", "--overlap", "64"],
            2,
            "--overlap: 64 px, expected 0 to 63",
        ),
        (["tile", "SHEET", "-o", "RUN", "--overlap", "much"], 2, "'much' is not a number of pixels or per cent"),
        (["tile", "SHEET", "-o", "RUN", "--patch-size", "0"], 2, "--patch-size"),
        (["tile", "SHEET", "-o", "RUN", "--block-size", "100"], 2, "multiple of 16"),
        (["tile", "SHEET", "-o", "RUN", "--crs", "EPSG:1"], 2, "--crs"),
        (["tile", "SHEET", "-o", "RUN", "--bands", "1,2,9"], 2, "--bands asks for band 9"),
        (["tile", "SHEET", "-o", "RUN", "--bbox", "1,2,3"], 2, "expected 4"),
        (["tile", "SHEET", "-o", "RUN", "--nodata", "white"], 2, "VALUE~TOLERANCE"),
        (["tile", "SHEET", "-o", "RUN", "--aoi", "none.gpkg"], 2, "none.gpkg"),
        (["tile", "SHEET", "-o", "RUN", "--labels", "x"], 2, "--labels needs --write-patches"),
        (["tile", "/nowhere", "-o", "RUN"], 2, "/nowhere"),
        (["infer", "RUN"], 1, "run the stage before this one first"),
        (["mosaic", "RUN"], 1, "run the stage before this one first"),
        (["status", "RUN"], 1, "run the stage before this one first"),
        (["run", "SHEET"], 2, "no run folder named"),
        (["run", "SHEET", "-o", "RUN", "--model", "none.pt"], 5, "none.pt: cannot be read"),
        (["run", "SHEET", "-o", "RUN", "--device", "cuda:99"], 4, "no such CUDA device"),
        (["run", "SHEET", "-o", "RUN", "--device", "abacus"], 4, "not a device"),
        (["run", "SHEET", "-o", "RUN", "--max-ram", "lots"], 2, "is not a size"),
        (["run", "SHEET", "-o", "RUN", "--max-ram", "100M"], 2, "allow more"),
        (["run", "SHEET", "-o", "RUN", "--bands", "1,2"], 5, "wants 3 bands (red, green, blue), --bands names 2"),
        (["run", "SHEET", "-o", "RUN", "--patch-size", "100"], 2, "takes multiples of 16 px"),
        (["run", "SHEET", "-o", "RUN", "--patch-size", "256", "--overlap", "64"], 2, "needs more than 384 px"),
        (["run", "SHEET", "-o", "RUN", "--gsd", "1.0"], 5, "force it with --resample"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_mistakes_are_explained(tmp_path, geoseg, sheet, arguments, code, message):
    words = [str(sheet) if a == "SHEET" else str(tmp_path / "run") if a == "RUN" else a for a in arguments]
    found, _, err = geoseg(*words)
    assert message in " ".join(err.split())
    assert found == code
    assert "Traceback" not in err


def test_a_second_run_does_nothing_and_a_changed_option_redoes(tmp_path, geoseg, sheet, blur_network):
    arguments = ["run", sheet, "-o", tmp_path / "run", "--model", blur_network, "--engine", "torch", "--block-size", 64]
    assert geoseg(*arguments)[0] == 0
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.tif")}
    code, out, _ = geoseg(*arguments)
    assert code == 0
    assert "nothing to do: 1 sheets, 16 blocks" in out
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.tif")} == files
    code, out, _ = geoseg(*arguments, "--tta", "flip")
    assert code == 0
    assert "computed" in out
    code, out, _ = geoseg("status", tmp_path / "run", "--json")
    assert json.loads(out)["finished"] is True


def test_another_model_makes_all_blocks_stale(tmp_path, geoseg, sheet, blur_network, truth_network):
    base = ["run", sheet, "-o", tmp_path / "run", "--engine", "torch", "--block-size", 64, "--model"]
    geoseg(*base, blur_network)
    assert "16 of 16 computed" in geoseg(*base, truth_network)[1]


def test_a_plan_keeps_its_lattice_and_blocks(tmp_path, geoseg, sheet):
    geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 64)
    code, _, err = geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 128)
    assert code == 2
    assert "planned with 64" in err
    assert geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 128, "--overwrite")[0] == 0


def test_mosaic_refuses_missing_and_damaged_blocks(tmp_path, geoseg, sheet, blur_network):
    run = tmp_path / "run"
    geoseg("run", sheet, "-o", run, "--model", blur_network, "--engine", "torch", "--block-size", 64)
    block = run / "blocks/1_1.tif"
    data = bytearray(block.read_bytes())
    data[len(data) // 2] ^= 1
    block.write_bytes(data)
    code, _, err = geoseg("mosaic", run, "--overwrite")
    assert code == 1
    assert "is not what was committed" in err
    block.unlink()
    code, _, err = geoseg("mosaic", run, "--overwrite")
    assert code == 1
    assert "1 of 16 blocks are missing" in err
    assert geoseg("infer", run, "--model", blur_network, "--engine", "torch")[0] == 0
    assert geoseg("mosaic", run)[0] == 0


@pytest.mark.parametrize("moment", [0.3, 0.6, 1.2])
def test_kill_9_and_the_same_command_again(tmp_path, moment):
    """Killed at any moment, the same command ends with the same pixels, and no half file bears a final name."""
    network = save_network(tmp_path / "blur.pt", BlurNetwork(), margin=4)
    path = write_sheet(tmp_path / "s.tif", RNG.integers(0, 255, (3, 1500, 1500)).astype(np.uint8))

    def command(run: Path) -> list[str]:
        options = [
            "--model",
            str(network),
            "--engine",
            "torch",
            "--block-size",
            "256",
            "--threads",
            "1",
            "--no-vectors",
        ]
        return [*COMMAND, "-q", "run", str(path), "-o", str(run), *options]

    subprocess.run(command(tmp_path / "whole"), check=True)
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
    assert np.array_equal(class_raster(tmp_path / "killed")[0], class_raster(tmp_path / "whole")[0])


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


# --- config


def write_config(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def test_a_config_runs_and_the_command_line_wins(tmp_path, geoseg, sheet, blur_network):
    config = write_config(
        tmp_path,
        f"sheets: [s.tif]\nout: run\ntile: {{block_size: 64}}\ninfer: {{model: {blur_network}, engine: torch}}\nmosaic: {{name: night}}\n",
    )
    code, _, err = geoseg("run", config)
    assert code == 0, err
    assert (tmp_path / "run/out/night_classes.tif").exists()
    assert geoseg("run", config, "--name", "day", "-o", tmp_path / "other")[0] == 0
    assert (tmp_path / "other/out/day_classes.tif").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sheets: [a]\ntile:\n  pach_size: 3\n", "c.yaml:3: unknown key 'tile.pach_size' (did you mean 'patch_size'?)"),
        ("sheets: [a]\nshets: 1\n", "c.yaml:2: unknown key 'shets' (did you mean 'sheets'?)"),
        ("sheets: []\n", "c.yaml:1: sheets"),
        ("tile: {}\n", "sheets"),
        ("sheets: [a]\ninfer:\n  tta: often\n", "c.yaml:3: infer.tta"),
        ("sheets: [a]\nsheets: [b]\n", "given twice"),
        ("sheets: [a\n", "cannot be read as YAML"),
        ("- a\n", "not a mapping"),
        ("sheets: !!python/object/apply:os.system [echo]\n", "cannot be read as YAML"),
    ],
)
def test_config_mistakes_name_line_and_key(tmp_path, geoseg, text, message):
    code, _, err = geoseg("run", write_config(tmp_path, text), "-o", tmp_path / "run")
    assert code == 2
    assert message in err
    assert not (tmp_path / "run").exists()


def test_the_shipped_configs_load():
    from geoseg.night.config import load_config

    load_config(
        Path(__file__).parent.parent / "configs" / "nightly.yaml"
    )  # those of `geoseg train`: tests/test_train.py


# --- one at a time


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

"""A sheet that crashes the decoder, eats memory or never ends costs that sheet: real processes, really killed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from support import PLACE, moved, write_sheet

from geoseg.errors import EnvironmentFault, SheetError, UsageError
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.sheets.decoder import Decoder, PixelRequest, decoder
from geoseg.sheets.door import read_header, stat_key
from geoseg.stages.infer.infer import infer
from geoseg.stages.tile.tile import tile

POISON = """
import os, signal, sys, time
from pathlib import Path
from geoseg.sheets import decoder_process as decoding
whole = decoding._Server._pixels
def pixels(server, request):
    name = Path(request["path"]).name
    if "crash" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "endless" in name:
        time.sleep(1000)
    if "greedy" in name:
        hoard = [bytearray(b"x") * (64 << 20) for _ in range(200)]
    yield from whole(server, request)
decoding._Server._pixels = pixels
decoding.main()
"""


@pytest.fixture
def poisoned():
    """The decoder of this process, with one that chokes on sheets by their name."""
    shared = decoder()
    kept = shared.command
    shared.close()
    shared.command = (sys.executable, "-c", POISON)
    yield shared
    shared.close()
    shared.command = kept


@pytest.fixture
def alone():
    """A decoder of its own."""
    made = Decoder()
    yield made
    made.close()


def sheet(path: Path, seed: int = 1, col: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (3, 96, 128), np.uint8)
    return write_sheet(path, pixels, place=moved(PLACE, col, 0), compress="deflate")


def read(which: Decoder, path: Path, rows=slice(0, 96), cols=slice(0, 128), bands=(1, 2, 3), patience=25.0):
    return which.read(PixelRequest(path, stat_key(path), bands, rows, cols, 16 << 20, patience=patience))


def test_pixels_and_headers_are_those_of_the_file(alone, tmp_path, monkeypatch) -> None:
    path = sheet(tmp_path / "s.tif")
    with rasterio.open(path) as dataset:
        expected = dataset.read()
    assert alone.header(path) == read_header(path)
    assert (read(alone, path) == expected).all()
    assert (read(alone, path, slice(5, 50), slice(7, 9), (3, 1)) == expected[[2, 0], 5:50, 7:9]).all()
    assert (read(alone, path, bands=()) == 255).all()
    sheet(path, seed=2)
    assert (read(alone, path) != expected).any()  # written again: opened again


def test_windows_larger_than_one_part(alone, tmp_path) -> None:
    pixels = np.random.default_rng(3).integers(0, 60_000, (3, 3000, 2100), np.uint16)
    path = write_sheet(tmp_path / "l.tif", pixels, tiled=True, blockxsize=256, blockysize=256)
    found = read(alone, path, slice(100, 3000), slice(0, 2100))
    assert (found == pixels[:, 100:]).all()


def test_errors_name_the_sheet_and_the_next_request_is_answered(alone, tmp_path) -> None:
    good, bad = sheet(tmp_path / "good.tif"), tmp_path / "bad.tif"
    whole = sheet(tmp_path / "whole.tif").read_bytes()
    bad.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    with pytest.raises(SheetError, match=r"bad\.tif: is damaged"):
        read(alone, bad)
    with pytest.raises(SheetError, match="cannot be opened: No such file"):
        alone.header(tmp_path / "none.tif")
    assert (read(alone, good) == read(alone, tmp_path / "whole.tif")).all()


def test_a_crash_is_tried_again_and_then_names_the_signal(poisoned, tmp_path) -> None:
    bad, good = sheet(tmp_path / "crash.tif"), sheet(tmp_path / "good.tif")
    assert read(poisoned, good).any()
    with pytest.raises(SheetError, match=r"crash\.tif: cannot be decoded: decoding it ended the process with SIGSEGV"):
        read(poisoned, bad)
    assert read(poisoned, good).any()


def test_a_decoder_that_somebody_kills_costs_nothing(alone, tmp_path) -> None:
    path = sheet(tmp_path / "s.tif")
    before = read(alone, path)
    os.kill(alone.process.pid, signal.SIGKILL)
    assert (read(alone, path) == before).all()


def test_endless_decoding_has_an_end(poisoned, tmp_path) -> None:
    begin = time.monotonic()
    with pytest.raises(SheetError, match="took more than 0.5 s"):
        read(poisoned, sheet(tmp_path / "endless.tif"), patience=0.5)
    assert time.monotonic() - begin < 10


def test_a_stopped_decoder_has_an_end(alone, tmp_path) -> None:
    path = sheet(tmp_path / "s.tif")
    before = read(alone, path)
    os.kill(alone.process.pid, signal.SIGSTOP)
    assert (read(alone, path, patience=1.0) == before).all()  # a fresh one has no such trouble


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_memory_has_an_end(poisoned, tmp_path) -> None:
    with pytest.raises(SheetError, match="takes more memory to decode"):
        read(poisoned, sheet(tmp_path / "greedy.tif"))
    peak = next(x for x in Path(f"/proc/{poisoned.process.pid}/status").read_text().splitlines() if "VmHWM" in x)
    assert int(peak.split()[1]) < 3 << 20  # kB


def test_whoever_leaves_does_not_wait(poisoned, tmp_path) -> None:
    path = sheet(tmp_path / "endless.tif")
    told: list[BaseException] = []

    def wait() -> None:
        try:
            poisoned.read(PixelRequest(path, stat_key(path), (1,), slice(0, 96), slice(0, 128)), who=thread)
        except SheetError as error:
            told.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(1.5)
    poisoned.give_up("somebody else")
    assert thread.is_alive()
    poisoned.give_up(thread)
    thread.join(5)
    assert not thread.is_alive()
    assert "broken off" in str(told[0])


def test_it_ends_with_the_process_that_started_it(alone, tmp_path) -> None:
    read(alone, sheet(tmp_path / "s.tif"))
    alone.process.stdin.close()
    assert alone.process.wait(5) == 0


def test_a_decoder_that_cannot_start_is_no_fault_of_the_sheet(tmp_path) -> None:
    broken = Decoder((sys.executable, "-c", "raise SystemExit('no GDAL here')"))
    with pytest.raises(EnvironmentFault, match="does not start: no GDAL here"):
        broken.header(sheet(tmp_path / "s.tif"))
    broken.close()


@pytest.mark.parametrize("kind", ["crash", "endless", "greedy"])
def test_the_run_goes_on_without_the_sheet(poisoned, tmp_path, blur_network, kind) -> None:
    """As a run that never saw it, and the plan says why."""
    options = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1, read_timeout=2.0)
    good = [sheet(tmp_path / "s" / f"{k}.tif", k, 128 * k) for k in (0, 2)]
    bad = sheet(tmp_path / "s" / f"{kind}.tif", 7, 128)
    runs = {}
    for name, paths in (("with", [good[0], bad, good[1]]), ("without", good)):
        runs[name] = tmp_path / name
        tile(paths, runs[name], TileOptions(block_size=64, read_timeout=2.0))
        infer(runs[name], options)
    refused = Run(runs["with"]).plan.quarantined
    assert [q.path for q in refused] == [str(bad)]
    assert "decode" in refused[0].reason
    assert refused[0].cure
    blocks = {n: {p.name: p.read_bytes() for p in (r / "blocks").glob("*.tif")} for n, r in runs.items()}
    assert blocks["with"] == blocks["without"]


def test_tile_waits_no_longer_for_a_sheet_than_it_was_told_to(poisoned, tmp_path) -> None:
    begin = time.monotonic()
    with pytest.raises(UsageError, match=r"endless\.tif: cannot be decoded: it took more than 0\.5 s"):
        tile([sheet(tmp_path / "endless.tif")], tmp_path / "run", TileOptions(read_timeout=0.5))
    assert time.monotonic() - begin < 10


def test_one_tall_strip_is_no_hole(alone, tmp_path) -> None:
    """GDAL shows such a file as strips of one row each, of which all but the first have no offset."""
    for name, more in (("one", {"compress": "deflate"}), ("planes", {"compress": "lzw", "interleave": "band"})):
        pixels = np.random.default_rng(4).integers(0, 9, (3, 2500, 200), np.uint8)
        path = write_sheet(tmp_path / f"{name}.tif", pixels, blockysize=2500, **more)
        assert (read(alone, path, slice(0, 2500), slice(0, 200)) == pixels).all()


def test_rows_of_one_pixel_with_a_hole_are_refused(alone, tmp_path) -> None:
    path = write_sheet(tmp_path / "rows.tif", np.ones((1, 50, 40), np.uint8), blockysize=1, compress="deflate")
    assert read(alone, path, slice(0, 50), slice(0, 40), (1,)).all()
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=40,
        height=50,
        count=1,
        dtype="uint8",
        blockysize=1,
        sparse_ok=True,
        transform=PLACE,
        crs="EPSG:25833",
    ) as dataset:
        dataset.write(np.ones((1, 10, 40), np.uint8), window=((0, 10), (0, 40)))
    with pytest.raises(SheetError, match="is not in the file"):
        read(alone, path, slice(0, 50), slice(0, 40), (1,))
    assert read(alone, path, slice(0, 9), slice(0, 40), (1,)).all()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_many_sheets_of_large_blocks_do_not_blame_each_other(alone, tmp_path) -> None:
    """GDAL keeps the last block of each open file."""
    pixels = np.zeros((3, 4000, 5000), np.uint8)
    first = write_sheet(tmp_path / "s.tif", pixels, blockysize=4000, compress="deflate", interleave="pixel")
    for k in range(45):
        path = shutil.copyfile(first, tmp_path / f"{k}.tif")
        assert not read(alone, path, slice(0, 10), slice(0, 10)).any()

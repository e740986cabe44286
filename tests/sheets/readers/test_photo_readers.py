"""However many decoders share a photo, it is the same; and what befalls one of them costs one sheet."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from rasterio.transform import Affine
from rasterio.windows import Window
from support import PLACE, moved, write_sheet

from geoseg.errors import SheetError
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.sheets.decoder import Decoder, decoder
from geoseg.sheets.photo import Photo
from geoseg.sheets.readers import parts
from geoseg.stages.infer.infer import infer
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(5)
TILES = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}


def _pixels(high: int = 300, wide: int = 400) -> np.ndarray:
    return RNG.integers(1, 255, (3, high, wide)).astype(np.uint8)


def _one(folder) -> None:
    write_sheet(folder / "a.tif", _pixels(), **TILES)


def _strips(folder) -> None:
    write_sheet(folder / "a.tif", _pixels(), blockysize=16, compress="lzw")


def _tall_strip(folder) -> None:
    write_sheet(folder / "a.tif", _pixels(2300, 90), blockysize=2300, compress="deflate")


def _overlapping(folder) -> None:
    for k, name in enumerate("abc"):
        write_sheet(folder / f"{name}.tif", _pixels(), place=moved(PLACE, 250 * k, 40 * k), nodata=7, **TILES)


def _apart(folder) -> None:
    for k, name in enumerate("abcd"):
        write_sheet(folder / f"{name}.tif", _pixels(), place=moved(PLACE, 410 * k, 0), **TILES)


def _warped(folder) -> None:
    write_sheet(folder / "a.tif", _pixels(), **TILES)
    write_sheet(folder / "b.tif", _pixels(700, 700), place=PLACE @ Affine.translation(500, 0) @ Affine.rotation(9))


def _masked(folder) -> None:
    write_sheet(folder / "a.tif", _pixels(), **TILES)
    mask = np.where(RNG.random((1, 300, 400)) < 0.5, 255, 0).astype(np.uint8)
    write_sheet(folder / "a.tif.msk", mask)


@pytest.mark.parametrize("make", [_one, _strips, _tall_strip, _overlapping, _apart, _warped, _masked])
def test_a_photo_is_the_same_for_any_number_of_readers(tmp_path, monkeypatch, make) -> None:
    monkeypatch.setattr(parts, "SMALLEST", 1)
    make(tmp_path / "in")
    tile([tmp_path / "in"], tmp_path / "run")
    plan = Run(tmp_path / "run").plan
    bands = {s.path: (1, 2, 3) for s in plan.sheets}
    whole = [s.window for s in plan.sheets]
    high = max(w.row_off + w.height for w in whole)
    wide = max(w.col_off + w.width for w in whole)
    windows = [Window(0, top, wide, min(130, high - top)) for top in range(0, min(high, 900), 130)]
    found = []
    for readers in (1, 2, 3):
        with Photo(plan, bands, width=wide, readers=readers) as photo:
            found.append([photo.read(w) for w in windows])
    assert any(good.any() for _, good in found[0])
    for other in found[1:]:
        for (pixels, good), (expected, valid) in zip(other, found[0], strict=True):
            assert np.array_equal(pixels, expected)
            assert np.array_equal(good, valid)


def test_one_tall_strip_is_read_by_one(tmp_path, monkeypatch) -> None:
    """Each of several would decode it from its start."""
    monkeypatch.setattr(parts, "SMALLEST", 1)
    asked = []
    read = Decoder.read
    monkeypatch.setattr(Decoder, "read", lambda d, w, *more: asked.append((w.rows, w.cache)) or read(d, w, *more))
    for make, times in ((_tall_strip, 1), (_strips, 3)):
        make(tmp_path / make.__name__)
        tile([tmp_path / make.__name__], tmp_path / f"run{make.__name__}")
        plan = Run(tmp_path / f"run{make.__name__}").plan
        asked.clear()
        with Photo(plan, {s.path: (1, 2, 3) for s in plan.sheets}, width=90, readers=3) as photo:
            photo.read(Window(0, 0, 90, 200))
        assert len(asked) == times, asked
    assert len({cache for _, cache in asked}) == 1


POISON = """
import os, signal
from pathlib import Path
from geoseg.sheets import decoder_process as decoding
whole = decoding._Server._pixels
def pixels(server, request):
    if "crash" in Path(request["path"]).name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "endless" in Path(request["path"]).name:
        import time; time.sleep(1000)
    yield from whole(server, request)
decoding._Server._pixels = pixels
decoding.main()
"""


@pytest.fixture
def poison():
    """From when it is called, three decoders choke on sheets by their name; `tile` reads them before."""
    kept = [(decoder(k), decoder(k).command) for k in range(3)]

    def begin() -> None:
        for one, _ in kept:
            one.close()
            one.command = (sys.executable, "-c", POISON)

    yield begin
    for one, command in kept:
        one.close()
        one.command = command


def test_a_readers_crash_costs_only_its_sheet(poison, tmp_path, blur_network) -> None:
    for k, name in enumerate(("a", "crash", "c")):
        write_sheet(tmp_path / "in" / f"{name}.tif", _pixels(96, 128), place=moved(PLACE, 128 * k, 0))
    options = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1, readers=3)
    blocks = {}
    for name, sheets in (("with", "a crash c"), ("without", "a c")):
        tile([tmp_path / "in" / f"{s}.tif" for s in sheets.split()], tmp_path / name, TileOptions(block_size=64))
    poison()
    for name in ("with", "without"):
        infer(tmp_path / name, options)
        blocks[name] = {p.name: p.read_bytes() for p in (tmp_path / name / "blocks").glob("*.tif")}
    assert [q.path for q in Run(tmp_path / "with").plan.quarantined] == [str(tmp_path / "in/crash.tif")]
    assert blocks["with"] == blocks["without"]


def test_a_photo_that_is_left_reads_nothing_more(poison, tmp_path) -> None:
    """Two decoders never end, and two sheets wait for their turn."""
    for k in range(4):
        write_sheet(tmp_path / "in" / f"endless{k}.tif", _pixels(96, 128), place=moved(PLACE, 128 * k, 0))
    tile([tmp_path / "in"], tmp_path / "run")
    plan = Run(tmp_path / "run").plan
    poison()
    begin = time.monotonic()
    told: list[BaseException] = []
    photo = Photo(plan, {s.path: (1, 2, 3) for s in plan.sheets}, width=512, patience=60, readers=2)

    def read() -> None:
        try:
            photo.read(Window(0, 0, 512, 96))
        except Exception as error:  # whatever it is, it is told to the test
            told.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(2)
    photo.__exit__(ZeroDivisionError)
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - begin < 30
    assert told
    with pytest.raises(SheetError, match="after its photo was closed"):
        photo.read(Window(0, 0, 512, 96))


def test_decoders_are_one_for_each_number_whoever_asks_first() -> None:
    found: list[Decoder] = []
    threads = [threading.Thread(target=lambda: found.append(decoder(900))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(d) for d in found}) == 1
    assert [decoder(900 + k) for k in range(70)] == [decoder(900 + k) for k in range(70)]


def test_more_readers_than_any_machine_needs_are_refused(geoseg, tmp_path) -> None:
    code, _, err = geoseg("infer", tmp_path, "--readers", 65)
    assert code == 2
    assert "--readers" in err
    assert "64" in err

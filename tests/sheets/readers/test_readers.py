"""Several decoders read what one reads, and each of them may end."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from geoseg.errors import SheetError
from geoseg.sheets import decoder_handle
from geoseg.sheets.decoder import Decoder, PixelRequest
from geoseg.sheets.door import stat_key
from geoseg.sheets.readers import parts
from geoseg.sheets.readers.parts import parts_of, read_parts

PROFILE = {"driver": "GTiff", "dtype": "uint8", "count": 3, "width": 700, "height": 500, "crs": "EPSG:25833"}
PROFILE |= {"transform": Affine(0.1, 0, 367_000, 0, -0.1, 5_807_000)}


@pytest.fixture
def photo(tmp_path):
    """A sheet of blocks of 64 px, and its pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 500, 700), np.uint8)
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    with rasterio.open(tmp_path / "s.tif", "w", **PROFILE, **tiles) as out:
        out.write(pixels)
    return tmp_path / "s.tif", pixels


@pytest.fixture
def three():
    """Three decoders."""
    made = [Decoder() for _ in range(3)]
    yield made
    for one in made:
        one.close()


def _read(three, photo, monkeypatch) -> np.ndarray:
    monkeypatch.setattr(parts, "SMALLEST", 1)
    path, stat = photo[0], stat_key(photo[0])
    whole = np.zeros((3, 480, 690), np.uint8)
    cut = parts_of(slice(7, 487), slice(5, 695), (64, 64), 3)
    assert len(cut) == 3
    with ThreadPoolExecutor(3) as pool:
        read_parts(pool, cut, whole, lambda i, p, out: three[i].read(PixelRequest(path, stat, (1, 2, 3), *p), out=out))
    return whole


def test_three_decoders_read_what_is_there_and_one_of_them_may_end(three, photo, monkeypatch) -> None:
    expected = photo[1][:, 7:487, 5:695]
    assert np.array_equal(_read(three, photo, monkeypatch), expected)
    os.kill(three[1].process.pid, signal.SIGKILL)
    assert np.array_equal(_read(three, photo, monkeypatch), expected)


def test_many_turns_of_the_shared_memory_and_none_of_it_give_the_same(photo, tmp_path, monkeypatch) -> None:
    high = 40_000  # 80 MB: more turns than there are halves
    path = tmp_path / "high.tif"
    rows = np.arange(high, dtype=np.uint16)[:, None] + np.arange(1000, dtype=np.uint16)
    with rasterio.open(path, "w", **{**PROFILE, "count": 1, "dtype": "uint16", "width": 1000, "height": high}) as out:
        out.write(rows, 1)
    wanted = PixelRequest(path, stat_key(path), (1,), slice(0, high), slice(0, 1000))
    for make in (decoder_handle.make_shared, lambda: None):
        monkeypatch.setattr(decoder_handle, "make_shared", make)
        one = Decoder()
        room = np.zeros((1, high, 1001), np.uint16)
        found = one.read(wanted, out=room[:, :, 1:])
        again = one.read(wanted)
        one.close()
        assert np.array_equal(found[0], rows)
        assert np.array_equal(again[0], rows)
        assert not room[:, :, 0].any()


def test_a_damaged_part_names_the_sheet(three, photo, monkeypatch) -> None:
    path = photo[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = b"\xff" * 4000
    path.write_bytes(data)
    with pytest.raises(SheetError, match=r"s\.tif"):
        _read(three, photo, monkeypatch)

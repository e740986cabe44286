"""A decoder process that a file has taken over: whatever it says costs its sheet, soon, and nothing else."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import SheetError
from geoseg.sheets.decoder import Decoder, PixelRequest

CHILD = """
import json, os, struct, sys, time
def frame(kind, size, body=b""):
    os.write(1, struct.pack("<cQ", kind, size) + body)
def say(value):
    body = json.dumps(value).encode()
    frame(b"J", len(body), body)
say({"ready": True})
for line in sys.stdin.buffer:
    if line != b"\\n":
        exec(sys.argv[1])
"""
READ = 'say({"dtype": "uint8"}); '
HEADER = {
    **{"width": 4, "height": 4, "bands": 1, "dtype": "uint8", "crs": "", "transform": [1, 0, 0, 0, -1, 0]},
    **{"georeferenced": True, "nodata": None, "meanings": ["gray"], "mask": "none", "block": [4, 4]},
}


@pytest.fixture
def hostile():
    """Makes a decoder whose process answers each request with some lines of Python."""
    made = []

    def make(answer: str) -> Decoder:
        made.append(Decoder((sys.executable, "-S", "-E", "-c", CHILD, answer)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _read(which: Decoder, patience: float = 1.5, dtype: str = "uint8") -> np.ndarray:
    path = Path("s.tif")
    return which.read(PixelRequest(path, (1, 1), (1,), slice(0, 4), slice(0, 4), patience=patience, dtype=dtype))


def test_an_honest_child_is_believed(hostile) -> None:
    assert (_read(hostile(READ + 'frame(b"P", 16, b"a" * 16)')) == 97).all()
    assert _read(hostile(READ + 'frame(b"P", 8, b"a" * 8); frame(b"P", 8, b"b" * 8)'))[0, 3, 3] == 98
    assert hostile(f"say({HEADER})").header(Path("s.tif")).width == 4


@pytest.mark.parametrize(
    "answer",
    [
        READ + 'frame(b"P", 0)',
        READ + 'frame(b"P", 0) or [frame(b"P", 0) for _ in range(1000)]',
        READ + 'frame(b"P", 3, b"abc")',
        READ + 'frame(b"P", 17, b"a" * 17)',
        READ + 'frame(b"P", 20, b"a" * 20)',
        READ + 'frame(b"P", 1 << 63)',
        READ + 'frame(b"S", 0)',
        READ + 'frame(b"S", 17)',
        READ + 'frame(b"S", 1 << 40)',
        READ + 'frame(b"X", 16, b"a" * 16)',
        READ + 'say({"more": 1})',
        READ + "[frame(b'P', 4, b'aaaa') for _ in range(3)]; time.sleep(60)",
        "frame(b'J', 1 << 62)",
        "frame(b'J', 0)",
        "frame(b'J', 4, b'nope')",
        "frame(b'J', 1, b'1')",
        "frame(b'J', 2, b'[]')",
        "frame(b'J', 200000, b'[' * 200000)",
        "frame(b'J', 2, b'\\xff\\xff')",
        "frame(b'P', 16, b'a' * 16)",
        "say({})",
        *(f"say({{'dtype': {d!r}}})" for d in ("O", "object", "uint16", "V1000000000", 7, None, ["uint8"], {"a": 1})),
        *(f"say({{'error': {e!r}}})" for e in (1, [], ["SheetError"], ["Exit", "s.tif", "a", "b"], [[], 1, 2, 3])),
        "say({'error': ['SheetError', 's.tif', 'x' * 1000000, '']})",
        "time.sleep(60)",
        "sys.exit(0)",
        "os.close(1); time.sleep(60)",
    ],
)
def test_no_answer_harms_more_than_the_sheet(hostile, answer) -> None:
    begin = time.monotonic()
    with pytest.raises(SheetError, match=r"s\.tif: cannot be decoded"):
        _read(hostile(answer), 0.7)
    assert time.monotonic() - begin < 15


def test_any_data_type_means_one_that_files_have(hostile) -> None:
    with pytest.raises(SheetError, match="nonsense"):
        _read(hostile("say({'dtype': 'O'})"), dtype="")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"width": w} for w in (0, -1, "4", 1.5, None, True, 1 << 40)),
        *({"dtype": d} for d in ("object", "complex64", 3, ["uint8"])),
        *({"transform": t} for t in ([1, 0, 0], "abcdef", [1, 0, 0, 0, -1, float("nan")], None)),
        *({"block": b} for b in ([0, 4], [4], 4, ["4", 4])),
        *({"mask": "alpha"}, {"mask": "external"}, {"mask": 1}, {"mask": "external", "mask_stat": ["a", 1]}),
        *({"meanings": []}, {"meanings": [1]}, {"names": [1]}, {"crs": 1}, {"nodata": "1"}, {"georeferenced": 1}),
        *({"virtual": "<VRTDataset/>"}, {"unknown": 1}),
    ],
    ids=str,
)
def test_a_header_is_looked_at_before_it_is_believed(hostile, wrong) -> None:
    said = repr({**HEADER, **wrong}).replace("nan", "float('nan')")
    with pytest.raises(SheetError, match="cannot be decoded: its process answers with nonsense"):
        hostile(f"say({said})").header(Path("s.tif"))


@pytest.mark.parametrize("stat", ["{}", "{'stat': 1}", "{'stat': ['a', 1]}", "{'stat': [1]}"])
def test_a_stat_key_too(hostile, stat) -> None:
    with pytest.raises(SheetError, match="nonsense"):
        hostile(f"say({stat})").stat(Path("s.tif"))


def test_nobody_accuses_another_sheet(hostile) -> None:
    with pytest.raises(SheetError) as caught:
        _read(hostile("say({'error': ['SheetError', 'other.tif', 'is damaged', 'copy it']})"))
    assert caught.value.subject == "s.tif"
    assert "other.tif" in caught.value.what


def test_what_is_said_unasked_is_no_answer(hostile) -> None:
    """The rest of the answer about one sheet is not taken for the answer about the next one."""
    one = hostile(READ + 'frame(b"P", 16, b"a" * 16); say({"dtype": "uint8"}); frame(b"P", 16, b"b" * 16)')
    assert (_read(one) == 97).all()
    first = one.process
    time.sleep(0.3)
    assert (_read(one) == 97).all()
    assert one.process is not first


def test_a_process_that_listens_no_more_has_an_end(hostile) -> None:
    """The text of a virtual raster is longer than a pipe takes."""
    one = Decoder((sys.executable, "-S", "-E", "-c", CHILD.split("for line")[0] + "time.sleep(60)"))
    wanted = PixelRequest(Path("s.tif"), (1, 1), (1,), slice(0, 4), slice(0, 4), patience=0.7, virtual="x" * 2_000_000)
    with pytest.raises(SheetError, match="took more than 0.7 s"):
        one.read(wanted)
    one.close()


def test_a_trickle_has_an_end(hostile) -> None:
    """The patience is for all of a frame, not for each of its bytes."""
    begin = time.monotonic()
    trickle = 'frame(b"P", 16); [(os.write(1, b"a"), time.sleep(0.3)) for _ in range(16)]'
    with pytest.raises(SheetError, match="took more than 1 s"):
        _read(hostile(READ + trickle), 1.0)
    assert time.monotonic() - begin < 5

"""Parts of a mosaic that are kept until it is done."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import EnvironmentFault, PlanError
from geoseg.runfolder.folder import Run
from geoseg.work import parts
from geoseg.work.parts import KeptParts, keep_only, made_files, name_of


@pytest.fixture
def kept(tmp_path) -> KeptParts:
    return KeptParts(Run(tmp_path), "abc", {})


def _file(kept: KeptParts, data: bytes = b"raster") -> Path:
    path = kept.run.folder / "out" / "a.tif"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_part_is_made_once(kept) -> None:
    made: list[int] = []

    def make():
        made.append(1)
        return {"figures": np.arange(3)}, [_file(kept)]

    first, second = kept.once("one", make), kept.once("one", make)
    assert np.array_equal(first["figures"], second["figures"])
    assert made == [1]
    kept.once("two", make)
    assert made == [1, 1]


@pytest.mark.parametrize("harm", ["file gone", "file changed", "part damaged", "part empty"])
def test_a_part_whose_files_or_record_were_harmed_is_made_again(kept, harm) -> None:
    made: list[int] = []

    def make():
        made.append(1)
        return 1, [_file(kept)]

    kept.once("one", make)
    record = kept.folder / "one.part"
    if harm == "file gone":
        _file(kept).unlink()
    elif harm == "file changed":
        _file(kept, b"RASTER")
    elif harm == "part damaged":
        data = bytearray(record.read_bytes())
        data[-1] ^= 1
        record.write_bytes(data)
    else:
        record.write_bytes(b"")
    assert kept.once("one", make) == 1
    assert made == [1, 1]


def test_what_may_not_be_kept_any_more_is_not(tmp_path) -> None:
    def overtaken() -> None:
        raise PlanError("run", "another mosaic has begun")

    kept = KeptParts(Run(tmp_path), "abc", {}, overtaken)
    with pytest.raises(PlanError):
        kept.once("one", lambda: (1, []))
    assert not list(tmp_path.rglob("*.part"))


def test_a_full_disk_costs_the_copy_and_not_the_result(kept, monkeypatch, caplog) -> None:
    def full(path, data):
        raise EnvironmentFault(path, "no space left")

    monkeypatch.setattr(parts, "commit_bytes", full)
    with caplog.at_level(logging.WARNING):
        assert kept.once("one", lambda: (7, [])) == 7
    assert "could not be kept" in caplog.text


def test_only_parts_of_one_name_stay(kept) -> None:
    for name in ("abc", "old"):
        KeptParts(kept.run, name, {}).once("one", lambda: (1, []))
    keep_only(kept.run, "abc")
    assert [p.name for p in kept.run.parts.iterdir()] == ["abc"]
    keep_only(kept.run)
    assert not kept.run.parts.exists()
    keep_only(kept.run)  # there is nothing: fine


def test_another_key_has_another_name() -> None:
    assert name_of("a") == name_of("a") != name_of("b")


def test_files_are_named_from_the_run(kept) -> None:
    path = _file(kept)
    assert made_files(kept.run.folder, [path]) == (["out/a.tif"], [path])

"""The only writer."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg import commit
from geoseg.commit import commit_state, read_json
from geoseg.errors import EnvironmentFault, PlanError


def test_seals(tmp_path) -> None:
    path = tmp_path / "state.json"
    commit_state(path, {"a": [1, 2.5, None], "b": {"ä": 3}})
    assert read_json(path) == {"a": [1, 2.5, None], "b": {"ä": 3}}
    path.write_text(path.read_text().replace("2.5", "3.5"))
    with pytest.raises(PlanError, match="seal"):
        read_json(path)


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "f.bin"
    commit.commit_bytes(path, b"old")

    def fail(temporary):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentFault, match="free some disk space"):
        commit.commit_file(path, fail, lambda t: None)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.bin"]


json_values = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda k: k != commit.SEAL),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    max_size=6,
)


@given(json_values)
def test_state_comes_back_as_it_was(tmp_path_factory, value) -> None:
    path = tmp_path_factory.getbasetemp() / "state.json"
    commit.commit_state(path, value)
    assert commit.read_json(path) == value


@given(json_values, st.integers(0, 10**6), st.integers(0, 7))
def test_a_flipped_bit_of_state_is_noticed_or_changes_nothing(tmp_path_factory, value, at, bit) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.json"
    commit.commit_state(path, value)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        found = commit.read_json(path)
    except PlanError as error:
        assert error.cure
        return
    assert {k: v for k, v in found.items() if k in value} == value or commit.SEAL not in path.read_text(
        errors="replace"
    )


@given(st.binary(max_size=2000))
def test_bytes_are_written_whole_and_their_hash_is_told(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("bytes") / "new" / "a.bin"
    assert commit.commit_bytes(path, data) == commit.digest(path)
    assert path.read_bytes() == data
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]


@pytest.mark.parametrize(
    ("code", "word"),
    [(errno.ENOSPC, "disk space"), (errno.EDQUOT, "quota"), (errno.EFBIG, "ulimit"), (errno.EROFS, "read-only")],
)
def test_what_the_disk_says_becomes_a_cure_and_the_old_file_stays(tmp_path, monkeypatch, code, word) -> None:
    path = tmp_path / "a.bin"
    commit.commit_bytes(path, b"old")

    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentFault, match=word):
        commit.commit_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_file_that_fails_its_check_never_gets_its_name(tmp_path) -> None:
    def wrong(temporary) -> None:
        raise EnvironmentFault(temporary, "is not what was written")

    with pytest.raises(EnvironmentFault):
        commit.commit_file(tmp_path / "a.bin", lambda t: t.write_bytes(b"x"), wrong)
    assert not list(tmp_path.iterdir())


def test_only_our_own_old_leavings_are_swept(tmp_path) -> None:
    ours, young, theirs = tmp_path / f".{'a' * 12}.tmp", tmp_path / f".{'b' * 12}.tmp.tif", tmp_path / ".mine.tmp"
    for path in (ours, young, theirs):
        path.touch()
    for path in (ours, theirs):
        os.utime(path, (0, 0))
    commit.sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([young.name, theirs.name])
    commit.sweep(tmp_path / "nowhere")

"""The only writer."""

from __future__ import annotations

import pytest

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

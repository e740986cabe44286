"""Networks that come along."""

from __future__ import annotations

from pathlib import Path

from geoseg import parse
from geoseg.models.files import load_model
from geoseg.weights import shipped_model


def test_networks_that_come_along_have_names(tmp_path, monkeypatch) -> None:
    """A file of that name goes first, for `--model` too."""
    assert load_model(Path("shipped")).path == shipped_model()
    old = load_model(Path("shipped-0.1"))
    assert old.path == shipped_model("shipped-0.1")
    assert old.sha256 == "86ea49f6723775fc677f81a407d22ef0a3b4a72f5feb8446014eb41a567ca50a"
    assert parse.models(["shipped-0.1", "mine.pt"]) == (old.path, Path("mine.pt"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipped").write_bytes(b"mine")
    assert parse.models("shipped") == (Path("shipped"),)

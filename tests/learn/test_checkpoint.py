"""Checkpoints: whole or not at all, and never run."""

from __future__ import annotations

import pytest
import torch

from geoseg.errors import PlanError
from geoseg.learn.checkpoint import load_checkpoint, save_checkpoint

STATE = {
    "config": "abc",
    "step": 7,
    "best": 0.5,
    "stale": 1,
    "network": {"w": torch.arange(6.0).reshape(2, 3)},
    "average": {"w": torch.zeros(2, 3)},
    "average_count": 3,
    "best_state": None,
    "history": [{"step": 4.0, "loss": 0.25, "mean_iou": None}],
    "losses": [0.1, 0.2],
    "optimiser": None,
    "scaler": None,
}


def test_a_checkpoint_comes_back_as_it_was(tmp_path) -> None:
    save_checkpoint(tmp_path / "c.pt", STATE)
    found = load_checkpoint(tmp_path / "c.pt")
    assert torch.equal(found["network"]["w"], STATE["network"]["w"])
    assert {k: v for k, v in found.items() if k in STATE and k not in ("network", "average")} == {
        k: v for k, v in STATE.items() if k not in ("network", "average")
    }
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_no_file_is_no_checkpoint_and_anything_else_is_refused(tmp_path) -> None:
    assert load_checkpoint(tmp_path / "none.pt") is None
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(PlanError, match="is no checkpoint"):
        load_checkpoint(tmp_path / "text.pt")
    save_checkpoint(tmp_path / "c.pt", STATE)
    data = (tmp_path / "c.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(PlanError, match="is no checkpoint"):
        load_checkpoint(tmp_path / "cut.pt")
    torch.save({"format": 99}, tmp_path / "other.pt")
    with pytest.raises(PlanError, match="another version"):
        load_checkpoint(tmp_path / "other.pt")


def test_nothing_in_a_checkpoint_is_run(tmp_path) -> None:
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"format": 1, "network": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(PlanError):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()

"""Weights out of checkpoints, as trainers save them."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch

from geoseg.errors import ModelError
from geoseg.stages.exchange.checkpoint import fitting_names, read_checkpoint

STATE = {f"{part}.{k}.weight": torch.rand(3) for part in ("encoder", "decoder") for k in range(3)} | {
    "head.bias": torch.rand(2)
}


def _with(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + k: v for k, v in STATE.items()}


@pytest.mark.parametrize(
    ("saved", "dropped"),
    [
        (STATE, []),
        (_with("module."), []),
        (_with("module._orig_mod."), []),
        ({"state_dict": _with("model._orig_mod.")}, []),
        ({"state_dict": _with("model.model."), "hyper_parameters": argparse.Namespace(lr=1)}, []),
        ({"net": STATE, "epoch": 1}, []),
        ({"checkpoint": {"generator": STATE}, "step": torch.tensor(3)}, []),
        ({"state_dict": _with("model.") | {"criterion.weight": torch.ones(6)}}, ["criterion.weight"]),
        ({**STATE, "val_iou.confmat": torch.zeros(2, 2)}, ["val_iou.confmat"]),
        (
            {"model": _with("net.") | _with("net_ema."), "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}},
            sorted(_with("net_ema.")),
        ),
    ],
)
def test_weights_are_found_whatever_lies_around_them(
    tmp_path: Path, saved: dict[str, object], dropped: list[str]
) -> None:
    torch.save(saved, tmp_path / "m.ckpt")
    found, out = fitting_names(read_checkpoint(tmp_path / "m.ckpt"), STATE)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[k], STATE[k]) for k in STATE)
    assert out == dropped


def test_names_that_do_not_fit_stay_for_whoever_fills_the_network() -> None:
    odd = {**STATE, "encoder.9.weight": torch.rand(3)}
    found, dropped = fitting_names(odd, STATE)
    assert "encoder.9.weight" in found
    assert not dropped
    other = {"a.b": torch.rand(2)}
    assert fitting_names(other, STATE) == (other, [])


class _Own:
    """A class of a trainer's own, which would have to be imported."""


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "trainer": _Own()}, tmp_path / "m.ckpt")
    with pytest.raises(ModelError, match="plain state dict"):
        read_checkpoint(tmp_path / "m.ckpt")
    torch.save({"net": {"a.b": torch.full((3,), torch.nan)}}, tmp_path / "nan.ckpt")
    with pytest.raises(ModelError, match="NaN"):
        read_checkpoint(tmp_path / "nan.ckpt")
    torch.save({"epoch": 3}, tmp_path / "n.ckpt")
    with pytest.raises(ModelError):
        read_checkpoint(tmp_path / "n.ckpt")

"""Checkpoints: everything that a restart needs, in one file of plain tensors and numbers (read with `weights_only`)."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import TypedDict, cast

import torch

from geoseg.arrays import Json
from geoseg.commit import commit_bytes
from geoseg.errors import PlanError

__all__ = ["Checkpoint", "Row", "State", "load_checkpoint", "save_checkpoint"]

FORMAT = 1

State = dict[str, torch.Tensor]
"""Weights and statistics of a network by name."""

Row = dict[str, float | None]
"""One validation: step, loss, mean_iou, and further scores by name; None where there is no truth."""


class Checkpoint(TypedDict):
    """The state of a training run.

    `config` is the hash of all settings that decide the weights; `stale` counts validations since the best; the
    `losses` are those after it; the states of optimiser and scaler are None between two stages.
    """

    config: str
    step: int
    best: float
    stale: int
    network: State
    average: State
    average_count: int
    best_state: State | None
    history: list[Row]
    losses: list[float]
    optimiser: Json | None
    scaler: Json | None


def save_checkpoint(path: Path, state: Checkpoint) -> None:
    """Commit a checkpoint, all or nothing."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    commit_bytes(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint in a file; None where there is no such file.

    Raises:
        PlanError: the file is damaged, or has another format.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise PlanError(path, f"is no checkpoint: {reason}", "delete it to start again, or restore a copy") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise PlanError(path, "is a checkpoint of another version", "start again with --overwrite")
    return cast(Checkpoint, state)

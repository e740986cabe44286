"""Checkpoints: everything that a restart needs, as one file of plain tensors and numbers (read with `weights_only`)."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from geoseg.commit import commit_bytes
from geoseg.errors import PlanError

__all__ = ["load_checkpoint", "save_checkpoint"]

FORMAT = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Commit a checkpoint, all or nothing."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    commit_bytes(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What was saved; None where there is no such file.

    Raises:
        PlanError: damaged, or of another format.
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
    return dict(state)

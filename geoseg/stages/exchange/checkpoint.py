"""The weights of one network out of what trainers save: nested, with words before their names, beside other tensors."""

from __future__ import annotations

import argparse
import pathlib
import pickle
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from geoseg.errors import ModelError
from geoseg.models.files import check_state, load_weights
from geoseg.models.foreign.archive import weights_archive

__all__ = ["fitting_names", "read_checkpoint"]

Weights = dict[str, torch.Tensor]

NESTED = ("state_dict", "model_state_dict", "model", "network", "net", "weights")
"""Names that trainers give to the weights inside a checkpoint, the likeliest first."""
HARMLESS = (argparse.Namespace, pathlib.PosixPath, np.dtype, np.float64, np.float32, np.int64)
"""Classes of hyper-parameters: making one of them runs nothing and opens nothing."""


def read_checkpoint(file: Path) -> Weights:
    """The tensors of a state dict, or of the one inside a trainer's checkpoint; nothing in the file is run.

    Raises:
        ModelError: the file is damaged, or holds no weights.
    """
    try:
        return load_weights(file)
    except ModelError as error:
        found = _largest(_mappings(_load(file, error)))
        if not found:
            raise error
        return check_state(file, found)


def _load(file: Path, error: ModelError) -> object:
    """What a checkpoint holds; raises `error` where it cannot be read without running it."""
    try:
        with torch.serialization.safe_globals([*HARMLESS]):
            return torch.load(weights_archive(file, file.read_bytes()), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as deeper:
        raise error from deeper


def _mappings(value: object, depth: int = 3) -> Iterator[Weights]:
    """The tensors of a mapping and of those inside it, the likeliest first."""
    if not isinstance(value, Mapping):
        return
    yield {str(k): v for k, v in value.items() if isinstance(v, torch.Tensor)}
    order = sorted(value, key=lambda k: NESTED.index(k) if k in NESTED else len(NESTED))
    for name in order if depth else ():
        yield from _mappings(value[name], depth - 1)


def _largest(found: Iterable[Weights]) -> Weights:
    """The weights with the most tensors; the first of equals."""
    return max(found, key=len, default={})


def fitting_names(state: Weights, wanted: Iterable[str]) -> tuple[Weights, list[str]]:
    """Weights by the names that a network wants, and the names that belong to none of its parts.

    Trainers put words before all names ("module.", "model._orig_mod."), and keep tensors of losses and metrics beside
    them. Names under a part of the network stay, so that whoever fills the network tells those that do not fit.

    Args:
        state: tensors by name.
        wanted: the names of the network.
    """
    names = set(wanted)
    parts = {n.partition(".")[0] for n in names}
    prefix = _prefix(set(state), names)
    kept = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    kept = {k: v for k, v in kept.items() if k.partition(".")[0] in parts}
    dropped = sorted(k for k in state if not k.startswith(prefix) or k.removeprefix(prefix) not in kept)
    return (kept, dropped) if kept else (state, [])


def _prefix(names: set[str], wanted: set[str]) -> str:
    """The words before the names of most tensors that a network wants; averaged weights only where there are others."""
    longest = max(wanted, key=len, default="")
    found = [n[: -len(longest)] for n in names if n.endswith(longest)]

    def rank(prefix: str) -> tuple[int, bool, int]:
        return -sum(prefix + w in names for w in wanted), "ema" in prefix.lower(), len(prefix)

    return min(found, key=rank, default="")

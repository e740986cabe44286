"""What networks of others answer, as scores (B, K, N, N): dicts, tuples, one channel for two classes, less pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import torch
from torch.nn import functional

__all__ = ["scores_in"]

ENTRIES = ("out", "logits")
"""Names of the entry that holds the scores, as torchvision and transformers call it."""
SMALLER = (2, 4)
"""How many times smaller scores may be than their patch: many networks leave the last step to their caller."""

Tensor = torch.Tensor


def scores_in(answer: object, classes: int, side: int, *, probabilities: bool) -> Tensor:
    """The scores in the answer of a network.

    Args:
        answer: scores (B, K, N, N), or a dict, tuple or list that holds them.
        classes: K; 0 takes any. With two, one channel is that of the second class.
        side: N; scores of a half or a quarter of it are interpolated.
        probabilities: whether scores are probabilities, and one channel is after its sigmoid.

    Raises:
        ValueError: nothing in the answer can be scores; says what came and what was expected.
    """
    scores = _entry(answer, classes)
    if classes == 2 and _shape(scores)[1] == 1:
        scores = torch.cat([1 - scores if probabilities else torch.zeros_like(scores), scores], 1)
    high, wide = _shape(scores)[-2:]
    if any(wide * k == side == high * k for k in SMALLER):
        scores = functional.interpolate(scores, size=(side, side), mode="bilinear", align_corners=False)
    return scores


def _shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape in plain numbers, also while an engine traces the network: the answer's form is decided once."""
    if not torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return tuple(tensor.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer: that the form may differ for other inputs
        return tuple(int(n) for n in tensor.shape)


def _entry(answer: object, classes: int) -> Tensor:
    """The tensor of scores: the entry of a usual name, else the first of the right shape, else the only one."""
    if isinstance(answer, Tensor):
        return answer
    if isinstance(answer, Mapping):
        for name in ENTRIES:
            if isinstance(answer.get(name), Tensor):
                return _tensor(answer[name])
        found = _tensors(answer.values())
    else:
        found = _tensors(answer if isinstance(answer, (tuple, list)) else ())
    for tensor in found:
        if tensor.ndim != 4:
            continue
        count = _shape(tensor)[1]
        if not classes or count == classes or (classes == 2 and count == 1):
            return tensor
    came = ", ".join(str(tuple(t.shape)) for t in found) or type(answer).__name__
    what = f"answers with {came}, expected scores of shape (patches, {classes or 'classes'}, rows, columns)"
    raise ValueError(what)


def _tensors(values: Iterable[object]) -> list[Tensor]:
    return [v for v in values if isinstance(v, Tensor)]


def _tensor(value: object) -> Tensor:
    assert isinstance(value, Tensor)  # the caller has looked
    return value

"""The operators that a foreign graph may name: those of tensors, lists and numbers that networks are made of.

`operators.json` was made by `benchmarks/model_operators.py` from networks of torchvision, segmentation_models_pytorch
and timm, scripted, traced and exported, and from the usual layers of torch.nn. None of them takes the name of a file,
starts a process or a thread, or touches a device, a backend or a class of its own.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

__all__ = ["is_listed"]


@lru_cache(maxsize=1)
def _listed() -> frozenset[str]:
    return frozenset(json.loads((Path(__file__).parent / "operators.json").read_text()))


def is_listed(name: str) -> bool:
    """Whether a graph may name this operator, as NAMESPACE::NAME.

    Namespaces are torch's (aten, prim, torchvision), `python` for words of TorchScript such as `len`, and `_operator`,
    `math` and `sym` for numbers in graphs of torch.export.
    """
    return name in _listed()

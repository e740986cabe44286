"""A model file as a torch network with its weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import TypeVar

import torch

from geoseg.errors import ModelError, UsageError
from geoseg.models.files import ModelFile
from geoseg.networks import make_network

__all__ = ["build_network"]

Got = TypeVar("Got")

Network = Callable[[torch.Tensor], torch.Tensor]


def build_network(model: ModelFile) -> Network:
    """The network of a model file, with its weights, in eval mode: (B, C, N, N) -> (B, K, N, N).

    Raises:
        ModelError: it cannot be loaded, its architecture is unknown, or its weights do not fit.
    """
    if model.kind == "torchscript":
        return _load(model, lambda: _load_torchscript(model))
    if model.kind == "export":
        exported: Network = _load(model, lambda: torch.export.load(str(model.path)).module())
        return lambda x: exported(x)  # a function, as no such module can be put in eval mode
    if model.kind == "onnx":
        return _onnx_network(model)
    card = model.card
    try:
        network = make_network(card.architecture, len(card.bands), len(card.classes), **card.arguments)
    except UsageError as error:
        raise ModelError(model.path, f"its architecture {error.subject} {error.what}", error.cure) from error
    state = {k.removeprefix("module."): v for k, v in (model.state or {}).items()}
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        detail = "; ".join(line.strip() for line in str(error).splitlines()[1:3])
        what = f"its weights do not fit {card.architecture}: {detail}"
        raise ModelError(model.path, what, "check architecture, classes and bands") from error
    return network.eval()


def _load(model: ModelFile, load: Callable[[], Got]) -> Got:
    """Run a loader.

    Raises:
        ModelError: it fails, in whatever way.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch prefers .pt2 to TorchScript
            warnings.simplefilter("ignore", DeprecationWarning)
            return load()
    except Exception as error:  # loaders raise what they like
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise ModelError(model.path, f"cannot be loaded: {reason}", "export it again") from error


def _load_torchscript(model: ModelFile) -> torch.nn.Module:
    module: torch.nn.Module = torch.jit.load(str(model.path), map_location="cpu")  # type: ignore[no-untyped-call]
    return module.eval()


class _Onnx(torch.nn.Module):
    """An ONNX file as a module, run by ONNX Runtime on one thread."""

    def __init__(self, model: ModelFile) -> None:
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (B, K, N, N) of patches (B, C, N, N)."""
        return torch.from_numpy(self.session.run(None, {self.input: x.float().cpu().numpy()})[0])


def _onnx_network(model: ModelFile) -> torch.nn.Module:
    if find_spec("onnxruntime") is None:
        raise ModelError(model.path, "needs ONNX Runtime", "pip install 'geoseg[onnx]'")
    return _load(model, lambda: _Onnx(model))

"""A model file as a torch network with its weights."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import torch

from geoseg.errors import GeosegError, ModelError, UsageError
from geoseg.models.files import ModelFile, read_model_bytes
from geoseg.models.foreign.archive import pack
from geoseg.models.foreign.onnx_graph import checked_onnx
from geoseg.models.foreign.program import checked_program
from geoseg.models.foreign.script import checked_script
from geoseg.models.foreign.trial import Limits, try_model
from geoseg.models.onnx_runtime import import_onnxruntime
from geoseg.networks import make_network

__all__ = ["LOADERS", "build_network", "fill", "load_graph"]

Network = Callable[[torch.Tensor], torch.Tensor]


def build_network(model: ModelFile, limits: Limits | None = Limits()) -> Network:  # noqa: B008 - frozen
    """The network of a model file, with its weights, in eval mode: (B, C, N, N) -> (B, K, N, N).

    Args:
        model: the file.
        limits: of the trial that a graph of another program has to pass first; None where this run has tried it.

    Raises:
        ModelError: it cannot be loaded, its architecture is unknown, or its weights do not fit.
    """
    if model.kind in LOADERS:
        if limits is not None:
            try_model(model, limits)
        return load_graph(model.path, model.kind, model.sha256)
    card = model.card
    _check_shapes(model)
    try:
        network = make_network(card.architecture, **card.network)
    except RuntimeError as error:
        raise ModelError(
            model.path, f"its network cannot be made: {error}", "correct `arguments` of its card"
        ) from error
    except UsageError as error:
        raise ModelError(model.path, f"its architecture {error.subject} {error.what}", error.cure) from error
    state = {k.removeprefix("module."): v for k, v in (model.state or {}).items()}
    fill(network, state, model.path, card.architecture)
    return network.eval()


def _check_shapes(model: ModelFile) -> None:
    """Refuse weights of other shapes than the card's network before that takes memory.

    Networks that cannot be made without memory are looked at by `fill` alone.

    Raises:
        ModelError: a shape differs.
    """
    card = model.card
    try:
        with torch.device("meta"):
            shapes = make_network(card.architecture, **card.network).state_dict()
    except Exception:  # whatever a network does with numbers that are not there
        return
    for name, tensor in (model.state or {}).items():
        own = shapes.get(name.removeprefix("module."))
        if own is not None and own.shape != tensor.shape:
            found, wanted = tuple(tensor.shape), tuple(own.shape)
            what = f"its weights do not fit {card.architecture}: {name} is {found}, expected {wanted}"
            raise ModelError(model.path, what, "check architecture, classes and bands")


def fill(network: torch.nn.Module, state: Mapping[str, torch.Tensor], subject: object, architecture: str) -> None:
    """Put weights into a network.

    Raises:
        ModelError: they do not fit, or are not the kind of numbers that the network has; names `subject`.
    """
    own = network.state_dict()
    odd = next((n for n, t in state.items() if n in own and own[n].is_floating_point() != t.is_floating_point()), None)
    if odd is not None:
        what = f"weights {odd!r} are {state[odd].dtype}, expected {own[odd].dtype}".replace("torch.", "")
        raise ModelError(subject, what, "save them as the network computes with them, float32 or float16")
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        detail = "; ".join(line.strip() for line in str(error).splitlines()[1:3])
        what = f"its weights do not fit {architecture}: {detail}"
        raise ModelError(subject, what, "check architecture, classes and bands") from error


def load_graph(path: Path, kind: str, sha256: str) -> Network:
    """A network out of a graph that another program wrote: its bytes are checked first.

    Args:
        path: of the file.
        kind: a key of `LOADERS`.
        sha256: of the file as it was looked at before.

    Raises:
        ModelError: the file is another one than before, names what it must not, or cannot be loaded.
    """
    data = read_model_bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelError(path, "was changed while geoseg ran", "run the same command again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch prefers .pt2 to TorchScript
            warnings.simplefilter("ignore", DeprecationWarning)
            return LOADERS[kind](path, data)
    except GeosegError:
        raise
    except Exception as error:  # loaders raise what they like
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))[:200]
        raise ModelError(path, f"cannot be loaded: {reason}", "export it again") from error


def _torchscript(path: Path, data: bytes) -> Network:
    archive = pack(checked_script(path, data))
    module: torch.nn.Module = torch.jit.load(archive, map_location="cpu")  # type: ignore[no-untyped-call]
    return module.eval()


def _program(path: Path, data: bytes) -> Network:
    program: Network = torch.export.load(pack(checked_program(path, data))).module()
    return lambda x: program(x)  # a function, as no such module can be put in eval mode


class _Onnx(torch.nn.Module):
    """An ONNX file as a module, run by ONNX Runtime on one thread."""

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__()
        onnxruntime = import_onnxruntime()
        self.path = path

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        first = self.session.get_inputs()[0]
        self.input, self.fixed = first.name, [n if isinstance(n, int) else 0 for n in first.shape]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (B, K, N, N) of patches (B, C, N, N).

        Raises:
            ModelError: the file is fixed to another size.
        """
        if any(want and want != have for want, have in zip(self.fixed, x.shape, strict=False)):
            takes, have = (" x ".join(str(n or "any") for n in shape) for shape in (self.fixed, x.shape))
            what = f"is fixed to patches x bands x rows x columns of {takes}, these are {have}"
            cure = "take its own --patch-size, --bands and --batch-size, or export it with dynamic axes"
            raise ModelError(self.path, what, cure)
        return torch.from_numpy(self.session.run(None, {self.input: x.float().cpu().numpy()})[0])


def _onnx(path: Path, data: bytes) -> Network:
    if find_spec("onnxruntime") is None:
        raise ModelError(path, "needs ONNX Runtime", "pip install 'geoseg[onnx]'")
    return _Onnx(path, checked_onnx(path, data))


LOADERS: dict[str, Callable[[Path, bytes], Network]] = {
    "torchscript": _torchscript,
    "export": _program,
    "onnx": _onnx,
}
"""Loaders of graphs by the kind of file."""

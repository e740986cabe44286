"""Engines: each turns a wrapped network into a function of patches.

The function takes float32 arrays (B, C, P, P) and gives float32 arrays (B, K, P, P). One thread computes a patch, so
its scores do not depend on how many lanes run side by side.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch

from geoseg.arrays import Floats
from geoseg.errors import EnvironmentFault, ModelError
from geoseg.models.onnx_runtime import import_onnxruntime

__all__ = ["ENGINES", "Score", "available", "check_score", "reason_of", "supports_bf16"]

Score = Callable[[Floats], Floats]
Shape = tuple[int, int, int, int]
"""(B, C, P, P)."""


def available(engine: str) -> bool:
    """Whether an engine's package is installed."""
    package = {"torch": "torch", "openvino": "openvino", "onnxruntime": "onnxruntime"}[engine]
    return importlib.util.find_spec(package) is not None


def supports_bf16(engine: str) -> bool:
    """Whether this machine computes bfloat16 natively with an engine (elsewhere it is slower than float32)."""
    if engine == "openvino" and available("openvino"):
        return "BF16" in _import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return False


def _import_openvino() -> ModuleType:
    """OpenVINO without its telemetry: where that module is missing it takes a stub, otherwise it reports each use."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


def _torch(network: torch.nn.Module, shape: Shape, precision: str, lanes: int) -> Score:
    """Eager PyTorch."""
    network = network.eval()

    def score(patches: Floats) -> Floats:
        if torch.get_num_threads() != 1:  # a setting of each thread: a lane computes its patch alone
            torch.set_num_threads(1)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            scores = network(torch.from_numpy(patches))
        found = np.asarray(scores.float().numpy(), np.float32)
        return found.copy() if np.shares_memory(found, patches) else found  # the lane fills `patches` again

    return score


def _openvino(network: torch.nn.Module, shape: Shape, precision: str, lanes: int) -> Score:
    """OpenVINO on the CPU: one stream of one thread for each lane."""
    if not available("openvino"):
        raise EnvironmentFault("--engine openvino", "OpenVINO is not installed", "pip install 'geoseg[openvino]'")
    import threading

    openvino = _import_openvino()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it traces with torch.jit, which torch wants to retire
        # Tracing here runs the network once; the converter would run it several times to compare traces.
        traced = torch.jit.trace(network.eval(), torch.zeros(shape), check_trace=False)  # type: ignore[no-untyped-call]
        model = openvino.convert_model(traced, input=[list(shape)])
    hints = {
        "NUM_STREAMS": str(lanes),
        "INFERENCE_NUM_THREADS": str(lanes),
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": "NO",
    }
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    del model
    own = threading.local()

    def score(patches: Floats) -> Floats:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        result = own.request.infer([patches], share_inputs=True, share_outputs=False)
        return np.asarray(result[0], np.float32)

    return score


def _onnxruntime(network: torch.nn.Module, shape: Shape, precision: str, lanes: int) -> Score:
    """ONNX Runtime on the CPU."""
    if not available("onnxruntime") or not can_export_onnx():
        raise EnvironmentFault("--engine onnxruntime", "ONNX Runtime is not installed", "pip install 'geoseg[onnx]'")
    import io

    onnxruntime = import_onnxruntime()
    if precision != "f32":
        raise EnvironmentFault("--precision bf16", "ONNX Runtime computes float32 on a CPU", "use --precision f32")
    buffer: Any = io.BytesIO()  # the types of `export` know paths only
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(), (torch.zeros(shape),), buffer, dynamo=False, input_names=["x"], output_names=["y"]
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda patches: np.asarray(session.run(None, {"x": patches})[0], np.float32)


def can_export_onnx() -> bool:
    """Whether torch can export a network as ONNX here."""
    return importlib.util.find_spec("onnx") is not None


ENGINES: dict[str, Callable[[torch.nn.Module, Shape, str, int], Score]] = {
    "torch": _torch,
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
}


def check_score(score: Score, shape: Shape, classes: int, subject: object) -> float:
    """Run one warm-up batch; returns the seconds that it took.

    Raises:
        ModelError: its scores have another shape than expected, or are not finite; names `subject`.
    """
    begin = time.monotonic()
    scores = score(np.zeros(shape, np.float32))
    seconds = time.monotonic() - begin
    expected = (shape[0], classes, *shape[2:])
    if scores.shape != expected:
        what = f"gives scores of shape {scores.shape} for patches of {shape}, expected {expected}"
        cure = "check the card's classes and stride; geoseg needs one score per class and pixel"
        raise ModelError(subject, what, cure)
    if not np.isfinite(scores).all():
        raise ModelError(subject, "gives NaN or infinity for a patch of mean values", "the weights are damaged")
    return seconds


def reason_of(error: Exception) -> str:
    """The last line of an engine's error, at most 300 characters: what stands before it is a trace."""
    return (str(error).strip().splitlines() or [repr(error)])[-1][:300]

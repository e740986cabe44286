"""Options of `geoseg infer`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geoseg import parse
from geoseg.options.option import option, read_timeout, seconds

__all__ = ["ENGINES", "MODEL_TIMEOUT", "PRECISIONS", "TTA", "InferOptions"]

ENGINES = ("auto", "torch", "openvino", "onnxruntime")
PRECISIONS = ("auto", "f32", "bf16")
TTA = ("none", "flip", "d4")
MODEL_TIMEOUT = 180.0
"""Seconds that a network which another program wrote may take for its first patch."""


@dataclass(frozen=True)
class InferOptions:
    """Options of `geoseg infer`: the network, and how it is run."""

    model: tuple[Path, ...] = option(
        (),
        "Model file, or shipped-0.1; several make an ensemble [default: the shipped network].",
        flags=("-m", "--model"),
        metavar="FILE",
        many=True,
        read=parse.models,
        group="Network",
    )
    engine: str = option("auto", "What computes the network.", choices=ENGINES, group="Computing")
    device: str = option("auto", "auto, cpu or cuda[:N].", metavar="DEVICE", group="Computing")
    precision: str = option("auto", "Number format of the network's arithmetic.", choices=PRECISIONS, group="Computing")
    batch_size: int | None = option(
        None, "Patches per call [default: 1 on a CPU, where more hurt; 16 on a GPU].", least=1, group="Computing"
    )
    tta: str = option("none", "Test-time augmentation.", choices=TTA, group="Network")
    probabilities: bool = option(False, "Also keep every class's share, in per cent.", group="Network")
    range: tuple[float, float] | None = option(
        None,
        "Sheet values that stand for the network's darkest and brightest.",
        metavar="LOW,HIGH",
        read=parse.numbers("--range", float, 2),
        group="Network",
    )
    resample: bool = option(False, "Accept sheets far outside the network's GSD range.", group="Network")
    threads: int | None = option(
        None, "Patches computed side by side on a CPU [default: all cores].", least=1, results=False, group="Computing"
    )
    readers: int | None = option(
        None,
        "Processes that decode sheets side by side, up to 64 [default: one for every four cores, at most 8].",
        least=1,
        most=64,
        results=False,
        group="Computing",
    )
    max_ram: int | None = option(
        None, "Memory to stay under: 2G.", metavar="SIZE", read=parse.size, results=False, group="Computing"
    )
    model_timeout: float = seconds(
        MODEL_TIMEOUT,
        "A TorchScript, torch.export or ONNX network that takes longer for its first patch is refused.",
        group="Network",
    )
    read_timeout: float = read_timeout()

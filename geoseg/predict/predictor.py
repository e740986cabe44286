"""Model files to a backend: which networks, engine, device and precision; the only module that names a device.

Engine, precision, batch shape and device kind are decided once for a run and become part of every block's key.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from geoseg.classes import ClassTable
from geoseg.errors import EnvironmentFault, GeosegError, ModelError, UsageError
from geoseg.models.files import Card, ModelFile
from geoseg.networks import make_network
from geoseg.predict.cuda import DeviceBackend, pick_device
from geoseg.predict.engines import ENGINES, Score, available, checked, supports_bf16
from geoseg.predict.stream import CpuBackend, Normalise
from geoseg.predict.wrap import Wrapped

__all__ = ["EngineFacts", "Ensemble", "build_network", "decide", "ensemble_of", "make_backend"]

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

AGREEMENT = 0.999
"""Share of a sample's pixels whose class must agree before half precision is used on a CPU."""


@dataclass(frozen=True)
class Ensemble:
    """Model files that answer together: one class table, one set of bands and one patch geometry."""

    models: tuple[ModelFile, ...]

    @property
    def card(self) -> Card:
        """The first model's card, which decides bands, GSD and geometry for all."""
        return self.models[0].card

    @property
    def classes(self) -> ClassTable:
        """The common class table."""
        return self.card.classes

    @property
    def temperature(self) -> float:
        """For the confidence: an ensemble's log-probabilities are calibrated already."""
        return self.card.temperature if len(self.models) == 1 else 1.0

    @property
    def margin(self) -> int:
        """Largest margin of all members, in network pixels."""
        return max(m.card.margin for m in self.models)


@dataclass(frozen=True)
class EngineFacts:
    """How scores are computed; equal facts on the same kind of machine give equal bits."""

    engine: str
    precision: str
    device: str
    batch: int
    tta: str
    ratio: str

    def to_json(self) -> dict[str, Any]:
        """Plain dict."""
        return asdict(self)


def ensemble_of(models: list[ModelFile]) -> Ensemble:
    """Models that fit together.

    Raises:
        ModelError: another class table, bands, GSD or scaling than the first one's.
    """
    first = models[0].card
    for model in models[1:]:
        for name in ("classes", "bands", "gsd", "mean", "std", "dtype"):
            if getattr(model.card, name) != getattr(first, name):
                raise ModelError(
                    model.path, f"has other {name} than {models[0].path}", "an ensemble's members must agree on them"
                )
    return Ensemble(tuple(models))


def build_network(model: ModelFile) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network of one model file, with its weights, in eval mode.

    Raises:
        ModelError: unknown architecture, or weights that do not fit it.
    """
    if model.kind == "torchscript":
        scripted: torch.nn.Module = _guarded(model, lambda: torch.jit.load(str(model.path), map_location="cpu").eval())  # type: ignore[no-untyped-call]
        return scripted
    if model.kind == "export":
        exported = _guarded(model, lambda: torch.export.load(str(model.path)).module())
        return lambda x: exported(x)  # type: ignore[no-any-return] # not registered as a module: it cannot be put in eval mode
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
        raise ModelError(
            model.path, f"its weights do not fit {card.architecture}: {detail}", "check architecture, classes and bands"
        ) from error
    return network.eval()


def _guarded(model: ModelFile, load: Callable[[], Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch would rather have .pt2 than TorchScript
            warnings.simplefilter("ignore", DeprecationWarning)
            return load()
    except Exception as error:  # loaders raise what they like
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise ModelError(model.path, f"cannot be loaded: {reason}", "export it again") from error


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
        return torch.from_numpy(self.session.run(None, {self.input: x.float().cpu().numpy()})[0])


def _onnx_network(model: ModelFile) -> torch.nn.Module:
    if not available("onnxruntime"):
        raise ModelError(model.path, "needs ONNX Runtime", "pip install 'geoseg[onnx]'")
    network: torch.nn.Module = _guarded(model, lambda: _Onnx(model))
    return network


def _wrapped(ensemble: Ensemble, side: int, ratio: Fraction, tta: str) -> Wrapped:
    cards = [m.card for m in ensemble.models]
    return Wrapped(
        [build_network(m) for m in ensemble.models],
        [c.output == "probabilities" for c in cards],
        [c.temperature for c in cards],
        side,
        ratio,
        tta,
    ).eval()


def _convertible(ensemble: Ensemble) -> bool:
    """Whether other engines than torch can take these networks over."""
    return all(m.kind in ("state", "torchscript") for m in ensemble.models)


def decide(
    ensemble: Ensemble,
    *,
    engine: str,
    device: str,
    precision: str,
    batch: int | None,
    tta: str,
    ratio: Fraction,
    patch: int,
    sample: Callable[[int], Floats],
) -> EngineFacts:
    """Settle engine, device, precision and batch once, before the first block.

    Args:
        ensemble: the models.
        engine: "auto" or a key of `ENGINES`.
        device: "auto", "cpu", "cuda[:N]".
        precision: "auto", "f32" or "bf16".
        batch: patches per call; None for 1 on a CPU (more hurt there) and 16 on a GPU.
        tta: test-time augmentation.
        ratio: network pixels per source pixel.
        patch: patch side in source pixels.
        sample: number -> that many standardised patches (n, C, P, P) of the run, for "auto" precision.
    """
    where = pick_device(device)
    kind = where.partition(":")[0]
    size = batch or (16 if kind == "cuda" else 1)
    if kind == "cuda":
        if not _convertible(ensemble):
            raise UsageError(
                f"--device {where}",
                "torch.export and ONNX files run on the CPU only",
                "use --device cpu, or TorchScript",
            )
        if engine not in ("auto", "torch"):
            raise UsageError("--engine", f"{engine} does not run on CUDA here", "use --engine torch or --device cpu")
        return EngineFacts("torch", "bf16" if precision == "auto" else precision, kind, size, tta, str(ratio))
    if engine != "auto" and engine != "torch" and not _convertible(ensemble):
        raise UsageError("--engine", f"{engine} cannot take over this kind of model file", "use --engine torch")
    shape = (1, len(ensemble.card.bands), patch, patch)
    names = [engine] if engine != "auto" else ["openvino", "torch"] if _convertible(ensemble) else ["torch"]
    for name in filter(available, names):
        score = _built(ensemble, name, "f32", shape, ratio, tta, last=name == names[-1])
        if score is None:
            continue
        if precision == "auto":
            precision = _agreed_precision(ensemble, name, score, shape, ratio, tta, sample)
        return EngineFacts(name, precision, kind, size, tta, str(ratio))
    raise EnvironmentFault(f"--engine {engine}", "is not installed", f"pip install 'geoseg[{engine}]'")


def _built(
    ensemble: Ensemble,
    engine: str,
    precision: str,
    shape: tuple[int, int, int, int],
    ratio: Fraction,
    tta: str,
    *,
    last: bool,
) -> Score | None:
    """The ensemble on an engine, checked with one warm-up patch; None where the engine cannot run it and another may.

    Raises:
        ModelError: the last engine cannot run it either, or its scores are wrong.
    """
    subject = ensemble.models[0].path
    network = _wrapped(ensemble, shape[-1], ratio, tta)
    try:
        return checked(ENGINES[engine](network, shape, precision, 1), shape, len(ensemble.classes), subject)
    except GeosegError:
        raise
    except Exception as error:  # engines raise what they like
        reason = (str(error).strip().splitlines() or [repr(error)])[-1][:300]
        if not last:
            log.warning("%s cannot run %s (%s); trying another engine", engine, subject, reason)
            return None
        raise ModelError(
            subject,
            f"cannot score patches of {shape[-1]} px with {shape[1]} bands on {engine}: {reason}",
            "check bands, patch size and stride in its card, or try --engine torch",
        ) from error


def _agreed_precision(
    ensemble: Ensemble,
    engine: str,
    score: Score,
    shape: tuple[int, int, int, int],
    ratio: Fraction,
    tta: str,
    sample: Callable[[int], Floats],
) -> str:
    """bf16 where the machine has it and the classes of a sample of the run agree with float32's; f32 otherwise."""
    if not supports_bf16(engine):
        return "f32"
    patches = sample(3)
    half = _built(ensemble, engine, "bf16", shape, ratio, tta, last=False) if len(patches) else None
    if half is None:
        return "f32"
    agree = [float((score(p[None]).argmax(1) == half(p[None]).argmax(1)).mean()) for p in patches]
    share = sum(agree) / len(agree)
    log.info("bfloat16 agrees with float32 on %.3f %% of a sample of %d patches", 100 * share, len(patches))
    return "bf16" if share >= AGREEMENT else "f32"


def make_backend(
    ensemble: Ensemble, facts: EngineFacts, normalise: Normalise, patch: int, *, device: str, lanes: int
) -> CpuBackend | DeviceBackend:
    """The backend that computes what the facts say, checked with one warm-up patch.

    Raises:
        ModelError: scores of a wrong shape, NaN, or a network that this engine cannot run.
    """
    network = _wrapped(ensemble, patch, Fraction(facts.ratio), facts.tta)
    values, subject = ensemble.classes.values, ensemble.models[0].path
    if facts.device == "cuda":
        return DeviceBackend(
            network,
            normalise,
            values,
            ensemble.temperature,
            device=pick_device(device),
            precision=facts.precision,
            batch=facts.batch,
            subject=subject,
        )
    shape = (facts.batch, len(ensemble.card.bands), patch, patch)
    try:
        score = checked(ENGINES[facts.engine](network, shape, facts.precision, lanes), shape, len(values), subject)
    except GeosegError:
        raise
    except Exception as error:  # engines raise what they like
        reason = (str(error).strip().splitlines() or [repr(error)])[-1][:300]
        cure = "check bands, patch size and stride in its card, or try --engine torch or --batch-size 1"
        raise ModelError(subject, f"cannot score patches of {patch} px on {facts.engine}: {reason}", cure) from error
    return CpuBackend(score, normalise, values, ensemble.temperature, batch=facts.batch, lanes=lanes)


def default_lanes() -> int:
    """Patches computed side by side: one for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

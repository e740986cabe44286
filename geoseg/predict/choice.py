"""The choice of engine, device, precision and batch size of a run, made once, before the first block."""

from __future__ import annotations

import logging
from collections.abc import Callable

from geoseg.arrays import Floats
from geoseg.errors import EnvironmentFault, GeosegError, ModelError, UsageError
from geoseg.limits import memory_fault
from geoseg.models.ensemble import Ensemble
from geoseg.models.facts import EngineFacts
from geoseg.options import InferOptions
from geoseg.predict.build import Setup
from geoseg.predict.cuda import pick_device
from geoseg.predict.engines import ENGINES, Score, available, check_score, reason_of, supports_bf16

__all__ = ["compiling", "decide"]

log = logging.getLogger(__name__)


AGREEMENT = 0.999
"""Share of a sample's pixels whose class must agree before half precision is used on a CPU."""


def compiling(engine: str, precision: str) -> str:
    """What a user hears while an engine makes a network its own, which may take a minute."""
    return f"{'loading' if engine == 'torch' else 'compiling'} for {engine} {precision}"


def convertible(ensemble: Ensemble) -> bool:
    """Whether engines other than torch can compute these networks."""
    return all(m.kind in ("state", "torchscript") for m in ensemble.models)


def decide(setup: Setup, options: InferOptions, sample: Callable[[int], Floats]) -> EngineFacts:
    """Choose engine, device, precision and batch.

    Args:
        setup: the networks and their patches.
        options: what the user asks for; without a batch size it is 1 on a CPU, where more is slower, and 16 on a GPU.
        sample: number -> at most so many standardised patches (n, C, P, P) of the run, for precision "auto".

    Raises:
        UsageError: options that these networks or this device cannot follow.
        EnvironmentFault: the engine is not installed, or the device is not there.
        ModelError: no engine can run the networks.
    """
    ensemble, engine, tta, ratio = setup.ensemble, options.engine, setup.tta, str(setup.ratio)
    precision = options.precision
    where = pick_device(options.device)
    kind = where.partition(":")[0]
    size = options.batch_size or (16 if kind == "cuda" else 1)
    if kind == "cuda":
        if not convertible(ensemble):
            what, cure = "torch.export and ONNX files run on the CPU only", "use --device cpu, or TorchScript"
            raise UsageError(f"--device {where}", what, cure)
        if engine not in ("auto", "torch"):
            raise UsageError("--engine", f"{engine} does not run on CUDA here", "use --engine torch or --device cpu")
        return EngineFacts("torch", "bf16" if precision == "auto" else precision, kind, size, tta, ratio)
    if engine != "auto" and engine != "torch" and not convertible(ensemble):
        raise UsageError("--engine", f"{engine} cannot compute this kind of model file", "use --engine torch")
    names = [engine] if engine != "auto" else ["openvino", "torch"] if convertible(ensemble) else ["torch"]
    for name in filter(available, names):
        score = _build(setup, name, "f32", last=name == names[-1])
        if score is None:
            continue
        if precision == "auto":
            precision = _choose_precision(setup, name, score, sample)
        return EngineFacts(name, precision, kind, size, tta, ratio)
    raise EnvironmentFault(f"--engine {engine}", "is not installed", f"pip install 'geoseg[{engine}]'")


def _build(setup: Setup, engine: str, precision: str, *, last: bool) -> Score | None:
    """The ensemble on an engine, checked with one warm-up patch; None where it fails and another engine is to be tried.

    Raises:
        ModelError: the last engine cannot run it either, or its scores are wrong.
    """
    ensemble, shape = setup.ensemble, setup.shape
    subject = ensemble.models[0].path
    setup.say(compiling(engine, precision))
    try:
        score = ENGINES[engine](setup.network(), shape, precision, 1)
        check_score(score, shape, ensemble.scores, subject)
        return score
    except GeosegError:
        raise
    except Exception as error:  # engines raise what they like
        if fault := memory_fault(error):  # another engine would need as much, and give other bits
            raise fault from error
        reason = reason_of(error)
        if not last:
            log.warning("%s cannot run %s (%s); trying another engine", engine, subject, reason)
            return None
        what = f"cannot score patches of {shape[-1]} px with {shape[1]} bands on {engine}: {reason}"
        cure = "check bands, patch size and stride in its card, or try --engine torch"
        raise ModelError(subject, what, cure) from error


def _choose_precision(setup: Setup, engine: str, score: Score, sample: Callable[[int], Floats]) -> str:
    """bf16 where the machine computes it and a sample of the run gets the classes of float32; f32 otherwise."""
    if not supports_bf16(engine):
        return "f32"
    setup.say("reading a sample of the sheets for bf16")
    patches = sample(3)
    half = _build(setup, engine, "bf16", last=False) if len(patches) else None
    if half is None:
        return "f32"
    count = len(setup.ensemble.classes)
    pairs = [(score(p[None])[:, :count], half(p[None])[:, :count]) for p in patches]
    agree = [float((full.argmax(1) == rough.argmax(1)).mean()) for full, rough in pairs]
    share = sum(agree) / len(agree)
    log.info("bfloat16 agrees with float32 on %.3f %% of a sample of %d patches", 100 * share, len(patches))
    return "bf16" if share >= AGREEMENT else "f32"

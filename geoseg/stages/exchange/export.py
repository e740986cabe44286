"""geoseg model: foreign weights in, other formats out, and how fast a model is here.

import: weights -> network -> checked -> NAME.safetensors with its card, or NAME.json beside a file that is used in place
export: network -> ONNX or torch.export -> read back -> classes compared on a drawn scene
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from geoseg.commit import commit_bytes, commit_file
from geoseg.errors import EnvironmentFault, ModelError, UsageError
from geoseg.models.files import Card, ModelFile, load_model, load_weights, model_kind, save_model
from geoseg.networks import make_network
from geoseg.networks.smp_networks import SMP_DECODERS
from geoseg.predict.engines import ENGINES, available, supports_bf16
from geoseg.predict.predictor import build_network
from geoseg.scenes.scene import Scene

__all__ = ["AGREEMENT", "bench_model", "export_model", "import_model"]

AGREEMENT = 0.9999
"""Share of a drawn scene's pixels whose class an export must give as the model does."""

_PREFIXES = ("module.", "model.", "network.", "net.", "_orig_mod.")
_NESTED = ("state_dict", "model_state_dict", "model", "network", "weights")


def import_model(file: Path, out: Path | None, card: Card) -> Path:
    """Make a foreign model file usable; returns the file to give to --model.

    Args:
        file: weights (state dict, safetensors, a folder of smp's `save_pretrained`), TorchScript, .pt2 or ONNX.
        out: NAME.safetensors for weights; not used for files that are used in place.
        card: what the network needs and is good for.

    Raises:
        ModelError: weights that do not fit the card's architecture, or a file of no known kind.
    """
    kind = "state" if file.is_dir() or file.suffix == ".safetensors" else model_kind(file)
    if kind != "state":
        beside = file.with_suffix(".json")
        placed = replace(card, architecture=kind)
        commit_bytes(beside, (json.dumps(placed.to_json(), indent=1) + "\n").encode())
        build_network(load_model(file))
        return file
    state, fitting = _foreign_state(file, card)
    network = make_network(fitting.architecture, len(card.bands), len(card.classes), **fitting.arguments)
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        detail = "; ".join(line.strip() for line in str(error).splitlines()[1:3])
        raise ModelError(
            file,
            f"its weights do not fit {fitting.architecture}: {detail}",
            "check --architecture, --classes and --bands",
        ) from error
    target = out or file.with_suffix(".geoseg.safetensors")
    save_model(target, network.state_dict(), fitting)
    return target


def _foreign_state(file: Path, card: Card) -> tuple[dict[str, torch.Tensor], Card]:
    """Tensors under the names of our networks, and the card with what a checkpoint's own config says."""
    if file.is_dir():
        return load_weights(file / "model.safetensors"), _smp_card(file / "config.json", card)
    try:
        state = load_weights(file)
    except ModelError as error:
        state = _nested(file, error)
    shortest = next((p for p in _PREFIXES if state and all(k.startswith(p) for k in state)), "")
    return {k.removeprefix(shortest): v for k, v in state.items()}, card


def _nested(file: Path, error: ModelError) -> dict[str, torch.Tensor]:
    """The state dict inside a trainer's checkpoint, read without running anything in it."""
    import pickle

    try:
        whole = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as deeper:
        raise error from deeper
    inner = next((whole[k] for k in _NESTED if isinstance(whole, dict) and isinstance(whole.get(k), dict)), None)
    if inner is None or not all(isinstance(v, torch.Tensor) for v in inner.values()):
        raise error
    return dict(inner)


def _smp_card(path: Path, card: Card) -> Card:
    """Architecture and arguments of a folder that smp's `save_pretrained` wrote."""
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(path, f"cannot be read: {error}", "give the folder that save_pretrained wrote") from error
    name = str(config.pop("_model_class", ""))
    decoder = next((d for d, c in SMP_DECODERS.items() if c == name), None)
    if decoder is None:
        raise ModelError(path, f"is a {name or 'model of unknown class'}", f"known: {', '.join(SMP_DECODERS.values())}")
    encoder = config.pop("encoder_name")
    for own in ("encoder_weights", "in_channels", "classes", "activation", "aux_params"):
        config.pop(own, None)
    return replace(card, architecture=f"{decoder}/{encoder}", arguments=config)


def _sample_patches(card: Card, count: int = 2) -> npt.NDArray[np.float32]:
    """Standardised patches (n, C, P, P) of a drawn scene at the network's GSD."""
    side, bands = card.patch, len(card.bands)
    out = np.zeros((count, bands, side, side), np.float32)
    for k in range(count):
        scene = Scene(31 + k, side * card.gsd, side * card.gsd, card.gsd)
        image = scene.tile(0, 0, side, side).image.transpose(2, 0, 1)
        out[k] = np.stack([image[i % 4] for i in range(bands)])
    return (out - np.array(card.mean, np.float32)[None, :, None, None]) / np.array(card.std, np.float32)[
        None, :, None, None
    ]


def export_model(model: ModelFile, out: Path) -> float:
    """Write a model as .onnx or .pt2 with its card; returns the share of a drawn scene's pixels with the same class.

    Raises:
        UsageError: another suffix. EnvironmentFault: a package is missing.
        ModelError: it cannot be exported, or the export's classes differ on more than 1 in 10 000 pixels.
    """
    writers: dict[str, Callable[[torch.nn.Module, Card, Path], None]] = {".onnx": _write_onnx, ".pt2": _write_export}
    if out.suffix not in writers:
        raise UsageError(out, f"has the suffix {out.suffix!r}", "expected .onnx or .pt2")
    if model.kind not in ("state", "torchscript"):
        raise ModelError(model.path, f"is {model.kind} already", "export from the original weights")
    network = build_network(model)
    if not isinstance(network, torch.nn.Module):
        raise ModelError(model.path, "is no module", "export from the original weights")
    plain = _Plain(network).eval()
    commit_file(out, lambda path: writers[out.suffix](plain, model.card, path), lambda path: None)
    if out.suffix == ".pt2":
        placed = replace(model.card, architecture="export")
        commit_bytes(out.with_suffix(".json"), (json.dumps(placed.to_json(), indent=1) + "\n").encode())
    share = _agreement(plain, build_network(load_model(out)), model.card)
    if share < AGREEMENT:
        raise ModelError(
            out,
            f"gives another class on {100 * (1 - share):.3f} % of a drawn scene",
            "do not use it; report the network",
        )
    return share


class _Plain(torch.nn.Module):
    """A network whose output is one tensor."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.network(x)
        scores: torch.Tensor = out["out"] if isinstance(out, dict) else out
        return scores


def _agreement(
    a: Callable[[torch.Tensor], torch.Tensor], b: Callable[[torch.Tensor], torch.Tensor], card: Card
) -> float:
    shares = []
    for patch in _sample_patches(card):
        x = torch.from_numpy(patch)[None]
        with torch.inference_mode():
            shares.append(float((a(x).argmax(1) == b(x).argmax(1)).float().mean()))
    return float(np.mean(shares))


def _write_onnx(network: torch.nn.Module, card: Card, path: Path) -> None:
    if not available("onnxruntime"):
        raise EnvironmentFault("export", "needs onnx and onnxruntime", "pip install 'geoseg[onnx]'")
    import onnx

    example = torch.zeros(1, len(card.bands), card.patch, card.patch)
    axes = {0: "batch", 2: "height", 3: "width"}
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises its other exporter
        torch.onnx.export(
            network,
            (example,),
            str(path),
            dynamo=False,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": axes, "output": axes},
        )
    whole = onnx.load(path)
    for key, value in deepness_keys(card).items():
        entry = whole.metadata_props.add()
        entry.key, entry.value = key, value
    path.write_bytes(whole.SerializeToString())


def deepness_keys(card: Card) -> dict[str, str]:
    """Metadata that the QGIS plugin Deepness reads (resolution in centimetres, statistics for 0 to 1), and geoseg's own card."""
    full = 255.0 if card.dtype == "uint8" else 1.0
    return {
        "model_type": json.dumps("Segmentor"),
        "class_names": json.dumps({str(i): c.name for i, c in enumerate(card.classes.classes)}),
        "resolution": json.dumps(100 * card.gsd),
        "tiles_size": json.dumps(card.patch),
        "tiles_overlap": json.dumps(round(100 * card.overlap / card.patch)),
        "standardization_mean": json.dumps([round(m / full, 6) for m in card.mean]),
        "standardization_std": json.dumps([round(s / full, 6) for s in card.std]),
        "geoseg": json.dumps(replace(card, architecture="onnx").to_json()),
    }


def _write_export(network: torch.nn.Module, card: Card, path: Path) -> None:
    example = torch.zeros(1, len(card.bands), card.patch, card.patch)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(network, (example,))
        torch.export.save(program, str(path))


def bench_model(model: ModelFile, seconds: float = 3.0) -> list[dict[str, Any]]:
    """CPU seconds per megapixel of each engine that is installed, one thread, on the card's own patches."""
    card = model.card
    patches = _sample_patches(card, 1)
    shape = (1, *patches.shape[1:])
    network = build_network(model)
    rows = []
    for engine in ENGINES:
        if not available(engine) or (engine != "torch" and model.kind not in ("state", "torchscript")):
            continue
        for precision in ("f32", "bf16"):
            if precision == "bf16" and not supports_bf16(engine):
                continue
            module = network if isinstance(network, torch.nn.Module) else None
            if module is None:
                continue
            score = ENGINES[engine](_Plain(module).eval(), shape, precision, 1)
            score(patches)
            start, begun, count = time.process_time(), time.monotonic(), 0
            while time.monotonic() - begun < seconds:
                score(patches)
                count += 1
            spent = (time.process_time() - start) / count
            fresh = (1 - card.overlap / card.patch) ** 2
            rows.append(
                {
                    "engine": engine,
                    "precision": precision,
                    "cpu_s_per_patch": round(spent, 4),
                    "cpu_s_per_megapixel": round(spent / (card.patch**2 * fresh / 1e6), 4),
                }
            )
    return rows

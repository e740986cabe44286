"""geoseg model export: a model as ONNX or torch.export.

network -> file -> read back -> classes compared on a drawn scene
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from geoseg.commit import commit_file, digest
from geoseg.errors import EnvironmentFault, ModelError, UsageError
from geoseg.models.card import Card
from geoseg.models.files import ModelFile, load_model, write_card
from geoseg.models.load import Network, build_network
from geoseg.predict.engines import available
from geoseg.stages.exchange.plain import PlainNetwork, sample_patches

__all__ = ["SAME_CLASSES", "deepness_keys", "export_model"]

SAME_CLASSES = 0.9999
"""Share of a drawn scene's pixels that must get the same class from an export as from the model."""


def export_model(model: ModelFile, out: Path) -> float:
    """Write a model as .onnx or .pt2 with its card.

    Returns:
        The share of a drawn scene's pixels that get the same class from the export.

    Raises:
        UsageError: `out` has another suffix.
        EnvironmentFault: a package is missing.
        ModelError: the model cannot be exported, or the classes differ on more than 1 in 10 000 pixels.
    """
    writers: dict[str, Callable[[torch.nn.Module, Card, Path], None]] = {".onnx": _write_onnx, ".pt2": _write_export}
    if out.suffix not in writers:
        raise UsageError(out, f"has the suffix {out.suffix!r}", "expected .onnx or .pt2")
    if model.kind not in ("state", "torchscript"):
        raise ModelError(model.path, f"is {model.kind} already", "export from the original weights")
    network = build_network(model)
    if not isinstance(network, torch.nn.Module):
        raise ModelError(model.path, "is no torch module", "export from the original weights")
    # Deepness takes every channel for a class
    plain = PlainNetwork(network, len(model.card.classes) if out.suffix == ".onnx" and model.card.aux else 0).eval()
    commit_file(out, lambda path: writers[out.suffix](plain, model.card, path), lambda path: None)
    if out.suffix == ".pt2":
        write_card(out, replace(model.card, architecture="export"), digest(out))
    share = _agreement(plain, build_network(load_model(out)), model.card)
    if share < SAME_CLASSES:
        raise ModelError(
            out,
            f"gives another class on {100 * (1 - share):.3f} % of a drawn scene",
            "do not use it; report the network",
        )
    return share


def _agreement(a: Network, b: Network, card: Card) -> float:
    """Share of the pixels of drawn scenes that get the same class from both networks."""
    shares = []
    for patch in sample_patches(card):
        x = torch.from_numpy(patch)[None]
        with torch.inference_mode():
            mine, theirs = (network(x)[:, : len(card.classes)].argmax(1) for network in (a, b))
            shares.append(float((mine == theirs).float().mean()))
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
    """Metadata that the QGIS plugin Deepness reads, and geoseg's own card.

    Deepness wants the resolution in centimetres, and statistics for values of 0 to 1.
    """
    full = 255.0 if card.dtype == "uint8" else 1.0
    return {
        "model_type": json.dumps("Segmentor"),
        "class_names": json.dumps({str(i): c.name for i, c in enumerate(card.classes.classes)}),
        "resolution": json.dumps(100 * card.gsd),
        "tiles_size": json.dumps(card.patch),
        "tiles_overlap": json.dumps(round(100 * card.overlap / card.patch)),
        "standardization_mean": json.dumps([round(m / full, 6) for m in card.mean]),
        "standardization_std": json.dumps([round(s / full, 6) for s in card.std]),
        "geoseg": json.dumps(replace(card, architecture="onnx", aux=()).to_json()),
    }


def _write_export(network: torch.nn.Module, card: Card, path: Path) -> None:
    example = torch.zeros(1, len(card.bands), card.patch, card.patch)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(network, (example,))
        torch.export.save(program, str(path))

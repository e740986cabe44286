"""geoseg model import: weights of other tools, with a card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from geoseg.commit import commit_bytes
from geoseg.errors import ModelError
from geoseg.models.card import Card
from geoseg.models.files import load_model, load_weights, model_kind, save_model
from geoseg.models.network import build_network
from geoseg.networks import make_network
from geoseg.networks.smp_networks import SMP_DECODERS
from geoseg.stages.exchange.export import _NESTED, _PREFIXES

__all__ = ["import_model"]


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

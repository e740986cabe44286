"""geoseg model import: weights of other tools, with a card.

weights -> network -> check -> NAME.safetensors with its card; other kinds of files get NAME.json and stay as they are
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from geoseg.arrays import Json
from geoseg.classes import ClassTable
from geoseg.commit import digest
from geoseg.errors import ModelError
from geoseg.models.card import Card
from geoseg.models.files import load_model, load_weights, model_kind, read_model_bytes, save_model, write_card
from geoseg.models.foreign.onnx_graph import input_shape, parse_onnx
from geoseg.models.foreign.program import program_shape
from geoseg.models.load import build_network, fill
from geoseg.networks import geometry_of, make_network
from geoseg.networks.smp_networks import SMP_DECODERS
from geoseg.stages.exchange.checkpoint import fitting_names, read_checkpoint

__all__ = ["CardFacts", "card_from", "import_model"]

log = logging.getLogger(__name__)

DEFAULT_PATCH = 512
"""Side of a patch in pixels where neither its user nor the file say one."""
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""Mean and deviation of red, green and blue, 0 to 255."""


@dataclass(frozen=True)
class CardFacts:
    """Facts about a foreign model file that its user knows; `card_from` fills in those left out."""

    classes: ClassTable
    gsd: float
    architecture: str = ""
    arguments: Json = field(default_factory=dict)
    name: str = ""
    bands: tuple[str, ...] = ("red", "green", "blue")
    gsd_range: tuple[float, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    patch: int | None = None
    overlap: int | None = None
    output: str = "logits"
    licence: str = ""


def card_from(file: Path, facts: CardFacts) -> Card:
    """The card of a foreign model file.

    Without other facts it takes 20 % around its GSD, ImageNet's statistics, the patch that a graph is fixed to, else
    512 px, and an overlap of a quarter patch, or more where the receptive field needs it.

    Raises:
        ModelError: facts that contradict each other or the file.
    """
    geometry, gsd, bands = geometry_of(facts.architecture or "torchscript"), facts.gsd, facts.bands
    patch, overlap = _patch_side(file, facts), facts.overlap
    if overlap is None:
        overlap = max(patch // 4, 2 * geometry.margin + 2 * geometry.stride) // 2 * 2
        overlap = min(overlap, patch - 1)
    low, high = facts.gsd_range or (gsd / 1.2, gsd * 1.2)
    return Card(
        name=facts.name or file.stem,
        architecture=facts.architecture or "folder",
        classes=facts.classes,
        bands=bands,
        mean=facts.mean or tuple(IMAGENET[0][i % 3] for i in range(len(bands))),
        std=facts.std or tuple(IMAGENET[1][i % 3] for i in range(len(bands))),
        gsd=gsd,
        gsd_range=(low, high),
        arguments=facts.arguments,
        patch=patch,
        overlap=overlap,
        margin=geometry.margin,
        stride=geometry.stride,
        patch_dependent=geometry.patch_dependent,
        output=facts.output,
        licence=facts.licence,
    )


def _patch_side(file: Path, facts: CardFacts) -> int:
    """The side of the patches, which ONNX and .pt2 files may be fixed to.

    Raises:
        ModelError: they are fixed to other sizes than the facts say, or to patches that are not square.
    """
    shape = _fixed_shape(file)
    if len(shape) != 4:
        return facts.patch or DEFAULT_PATCH
    count, bands, high, wide = shape
    if high or wide:
        log.warning("%s: takes patches of exactly %d x %d px", file, high or wide, wide or high)
    if high and wide and high != wide:
        raise ModelError(file, f"takes patches of {high} x {wide} px only", "export it for square patches")
    if bands and bands != len(facts.bands):
        what = f"takes {bands} bands, --bands names {len(facts.bands)} ({', '.join(facts.bands)})"
        raise ModelError(file, what, f"name {bands} bands")
    if count > 1:
        what = f"takes batches of exactly {count} patches"
        raise ModelError(file, what, "export it for one patch, or with a dynamic first axis")
    side = high or wide
    if side and facts.patch not in (None, side):
        raise ModelError(file, f"takes patches of {side} px only, --patch says {facts.patch}", f"give --patch {side}")
    return side or facts.patch or DEFAULT_PATCH


def _fixed_shape(file: Path) -> tuple[int, ...]:
    """The sizes that an ONNX or .pt2 file is fixed to, 0 for any; () for other files."""
    kind = "state" if file.is_dir() or file.suffix == ".safetensors" else model_kind(file)
    if kind == "onnx":
        return input_shape(parse_onnx(file, read_model_bytes(file)))
    return program_shape(file, read_model_bytes(file)) if kind == "export" else ()


def import_model(file: Path, out: Path | None, card: Card) -> Path:
    """Make a foreign model file usable; returns the file to give to --model.

    Args:
        file: weights (state dict, safetensors, a folder of smp's `save_pretrained`), TorchScript, .pt2 or ONNX.
        out: NAME.safetensors for weights; not used for files that are used in place.
        card: of the network; see `card_from`.

    Raises:
        ModelError: weights that do not fit the card's architecture, or a file of no known kind.
    """
    kind = "state" if file.is_dir() or file.suffix == ".safetensors" else model_kind(file)
    if kind != "state":
        write_card(file, replace(card, architecture=kind), digest(file))
        build_network(load_model(file))
        return file
    state, fitting = _foreign_state(file, card)
    network = make_network(fitting.architecture, **fitting.network)
    state, dropped = fitting_names(state, network.state_dict())
    if dropped:
        listed = ", ".join(dropped[:8]) + (" ..." if len(dropped) > 8 else "")
        log.warning("%s: %d tensors belong to no part of the network and are left out: %s", file, len(dropped), listed)
    fill(network, state, file, fitting.architecture)
    target = out or file.with_suffix(".geoseg.safetensors")
    save_model(target, network.state_dict(), fitting)
    return target


def _foreign_state(file: Path, card: Card) -> tuple[dict[str, torch.Tensor], Card]:
    """Tensors by the names of our networks, and the card with the facts of a checkpoint's own config."""
    if file.is_dir():
        return load_weights(file / "model.safetensors"), _smp_card(file / "config.json", card)
    return read_checkpoint(file), card


def _smp_card(path: Path, card: Card) -> Card:
    """The card with architecture and arguments out of the config that smp's `save_pretrained` wrote."""
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

"""Model files: weights, and a card that says what they need and what they are good for.

geoseg's own format is NAME.safetensors with the card as JSON in its metadata (key `geoseg`). TorchScript,
torch.export, ONNX and plain state dicts are used where they lie, with a NAME.json of the same fields beside them.
Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.arrays import Json
from geoseg.commit import commit_bytes
from geoseg.errors import ModelError
from geoseg.models.card import Card
from geoseg.models.foreign.archive import archive_names, weights_archive
from geoseg.models.foreign.deepness import onnx_card
from geoseg.models.mlm import is_mlm, mlm_card

if TYPE_CHECKING:
    from torch import Tensor
from geoseg.weights import model_path, shipped_model

__all__ = [
    "ModelFile",
    "check_state",
    "load_model",
    "load_weights",
    "model_kind",
    "read_card",
    "read_model_bytes",
    "save_model",
    "shipped_model",
    "unstated_sha",
    "write_card",
]


@dataclass(frozen=True)
class ModelFile:
    """A model file.

    `kind`: "state" (weights of a known architecture, in `state`), "torchscript", "export" or "onnx"; `sha256`: of the
    file.
    """

    path: Path
    kind: str
    card: Card
    sha256: str
    state: dict[str, Tensor] | None = None

    @property
    def key(self) -> str:
        """Hash of weights and card: it changes with anything that decides scores, classes or confidence."""
        return hashlib.sha256((self.sha256 + json.dumps(self.card.to_json(), sort_keys=True)).encode()).hexdigest()


def load_model(path: Path) -> ModelFile:
    """Read a model file of any known format, or a network that comes with geoseg, by its name.

    Raises:
        ModelError: it is not there, no model, has no card, or its weights are not finite.
    """
    path = model_path(path)
    data = read_model_bytes(path)
    sha = _checked_sha(path, data)
    if data[:40].startswith(b"version https://git-lfs"):
        raise ModelError(path, "is a Git LFS pointer, not the weights", "run git lfs pull")
    if path.suffix == ".safetensors":
        state, own = _safetensors(path, data)
        return ModelFile(path, "state", own, sha, state)
    kind = _kind(path, data)
    card = _sidecar(path) or (onnx_card(path, data) if kind == "onnx" else None)
    if card is None:
        cure = f"write {path.with_suffix('.json').name} with bands, mean, std, gsd, classes"
        raise ModelError(path, "has no card beside it", cure)
    return ModelFile(path, kind, card, sha, _plain_state(path, data) if kind == "state" else None)


def read_model_bytes(path: Path, option: str = "the path of --model") -> bytes:
    """All bytes of a model file; `option` is named where it cannot be read.

    Raises:
        ModelError: it is not there, no regular file, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise ModelError(path, "is no regular file", f"check {option}")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(path, f"cannot be read: {error.strerror}", f"check {option}") from error


def _checked_sha(path: Path, data: bytes) -> str:
    """SHA-256 of a model file.

    Raises:
        ModelError: NAME.json beside it gives another one.
    """
    sha, beside = hashlib.sha256(data).hexdigest(), path.with_suffix(".json")
    stated = _stated_sha(path, beside)
    if stated is not None and stated != sha:
        what = f"is not the file that {beside.name} describes: its SHA-256 is {sha}, expected {stated}"
        raise ModelError(path, what, f"copy both again; if you trust the file, correct sha256 in {beside.name}")
    return sha


def unstated_sha(path: Path) -> str:
    """SHA-256 of a model file that no NAME.json gives one for; "" where one is given, or the file is safetensors.

    Raises:
        ModelError: the file or NAME.json cannot be read.
    """
    if path.suffix == ".safetensors" or _stated_sha(path, path.with_suffix(".json")) is not None:
        return ""
    return hashlib.sha256(read_model_bytes(path)).hexdigest()


def _stated_sha(path: Path, beside: Path) -> str | None:
    """The hash that NAME.json gives for this file; None where it gives none.

    `file` there says which of NAME.safetensors, NAME.onnx ... it is about; in older ones, that is NAME.safetensors
    where there is one.
    """
    facts = _beside(beside) if beside.is_file() else {}
    own = path.with_suffix(".safetensors")
    about = facts.get("file", own.name if own.is_file() else path.name)
    return str(facts["sha256"]) if "sha256" in facts and about == path.name else None


def _beside(beside: Path) -> Json:
    """The JSON beside a model file.

    Raises:
        ModelError: it is no JSON, or no mapping.
    """
    try:
        value = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(beside, f"is not JSON: {error}", "correct it") from error
    if not isinstance(value, dict):
        raise ModelError(
            beside, f"holds a {type(value).__name__}, expected a mapping of fields", "see geoseg model info"
        )
    return dict(value)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a plain state dict (torchvision's .pth) or a safetensors file, without a card.

    Raises:
        ModelError: the file is not there, holds something else, or its weights are not finite.
    """
    data = read_model_bytes(path, "the path")
    if path.suffix != ".safetensors":
        return _plain_state(path, data)
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return check_state(path, load(data))
    except (SafetensorError, ValueError) as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error


def model_kind(path: Path) -> str:
    """The kind of a model file by its structure: "onnx", "export", "torchscript" or "state".

    Raises:
        ModelError: it is none of them, or not there.
    """
    return _kind(path, read_model_bytes(path, "the path"))


def _kind(path: Path, data: bytes) -> str:
    if path.suffix == ".onnx":
        return "onnx"
    if data[:4] != b"PK\x03\x04":
        found = "a pickle" if data[:1] == b"\x80" else f"it starts with {data[:8]!r}"
        cure = "save it as safetensors, TorchScript, .pt2 or ONNX"
        raise ModelError(path, f"is not a model that geoseg reads ({found})", cure)
    names = archive_names(path, data)
    if path.suffix == ".pt2" or any(n.endswith(("archive_format", "serialized_exported_program.json")) for n in names):
        return "export"
    return "torchscript" if any(n.startswith("code/") for n in names) else "state"


def check_state(path: Path, state: Mapping[str, object]) -> dict[str, Tensor]:
    """A state dict, if it holds finite tensors only.

    Raises:
        ModelError: an entry is no tensor, or holds NaN or infinity.
    """
    import torch

    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            what = f"entry {name!r} is {type(tensor).__name__}, expected a tensor"
            raise ModelError(path, what, "save module.state_dict() only")
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or _is_stretched(tensor):
            what = f"weights {name!r} are no plain tensor, or larger than their bytes in the file"
            raise ModelError(path, what, "save module.state_dict() of a network on the CPU")
        if tensor.is_complex() or tensor.is_quantized:
            what = f"weights {name!r} are {tensor.dtype}, expected real numbers".replace("torch.", "")
            raise ModelError(path, what, "save them as float32 or float16")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            what = f"weights {name!r} hold NaN or infinity"
            raise ModelError(path, what, "train it again, or use an earlier checkpoint")
        tensors[name] = tensor
    return tensors


def _is_stretched(tensor: Tensor) -> bool:
    """Whether a tensor repeats its numbers by strides of 0: it would take far more memory than the file has."""
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def _safetensors(path: Path, data: bytes) -> tuple[dict[str, Tensor], Card]:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load

    try:
        state = load(data)
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("geoseg")
    except (SafetensorError, ValueError) as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error
    card = _sidecar(path) if text is None else Card.from_text(text, path)
    if card is None:
        raise ModelError(path, "has no card in it or beside it", f"write {path.with_suffix('.json').name}")
    return check_state(path, state), card


def _plain_state(path: Path, data: bytes) -> dict[str, Tensor]:
    import pickle

    import torch

    try:
        state = torch.load(weights_archive(path, data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        what = f"is not a plain state dict: {str(error).splitlines()[0]}"
        raise ModelError(path, what, "save module.state_dict()") from error
    if not isinstance(state, dict):
        raise ModelError(path, f"holds a {type(state).__name__}, expected a state dict", "save module.state_dict()")
    return check_state(path, state)


def _sidecar(path: Path) -> Card | None:
    """The card beside a model file; None where there is none."""
    beside = path.with_suffix(".json")
    return read_card(beside) if beside.is_file() else None


def read_card(path: Path) -> Card:
    """The card in a JSON file: its fields, or a STAC item of the machine-learning model extension.

    Raises:
        ModelError: it cannot be read, or a field is missing or wrong.
    """
    value = _beside(path)
    return mlm_card(value, path) if is_mlm(value) else Card.from_json(value, path)


def save_model(path: Path, state: dict[str, Tensor], card: Card) -> str:
    """Write NAME.safetensors with the card inside, and NAME.json beside it; returns the SHA-256 of the former."""
    from safetensors.torch import save

    whole = replace(card, name=card.name or path.stem)
    text = json.dumps(whole.to_json(), ensure_ascii=False)
    data = save({k: v.contiguous() for k, v in state.items()}, metadata={"format": "pt", "geoseg": text})
    sha = commit_bytes(path, data)
    write_card(path, whole, sha)
    return sha


def write_card(path: Path, card: Card, sha256: str) -> None:
    """Write NAME.json beside a model file, with the SHA-256 by which the file is known again."""
    value = {**card.to_json(), "file": path.name, "sha256": sha256}
    commit_bytes(path.with_suffix(".json"), (json.dumps(value, indent=1) + "\n").encode())

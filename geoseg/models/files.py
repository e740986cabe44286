"""Model files: weights, and a card that says what they need and what they are good for.

geoseg's own format is NAME.safetensors with the card as JSON in its metadata (key `geoseg`). TorchScript,
torch.export, ONNX and plain state dicts are used where they lie, with a NAME.json of the same fields beside them.
Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.commit import commit_bytes
from geoseg.errors import ModelError
from geoseg.models.card import Card
from geoseg.models.foreign import onnx_card

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ModelFile", "load_model", "load_weights", "model_kind", "save_model", "shipped_model"]


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


def shipped_model() -> Path:
    """The path of the network that comes with geoseg."""
    return Path(__file__).parent.parent / "weights" / "unet_mobilenet_v2.safetensors"


def load_model(path: Path) -> ModelFile:
    """Read a model file of any known format.

    Raises:
        ModelError: it is not there, no model, has no card, or its weights are not finite.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(path, f"cannot be read: {error.strerror}", "check the path of --model") from error
    sha = hashlib.sha256(data).hexdigest()
    if data[:40].startswith(b"version https://git-lfs"):
        raise ModelError(path, "is a Git LFS pointer, not the weights", "run git lfs pull")
    if path.suffix == ".safetensors":
        state, own = _safetensors(path, data)
        return ModelFile(path, "state", own, sha, state)
    kind = _kind(path, data)
    card = _sidecar(path) or (onnx_card(path) if kind == "onnx" else None)
    if card is None:
        cure = f"write {path.with_suffix('.json').name} with bands, mean, std, gsd, classes"
        raise ModelError(path, "has no card beside it", cure)
    return ModelFile(path, kind, card, sha, _plain_state(path) if kind == "state" else None)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a plain state dict (torchvision's .pth) or a safetensors file, without a card.

    Raises:
        ModelError: the file is not there, holds something else, or its weights are not finite.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(path, f"cannot be read: {error.strerror}", "check the path") from error
    if path.suffix != ".safetensors":
        return _plain_state(path)
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return _check_state(path, load(data))
    except (SafetensorError, ValueError) as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error


def model_kind(path: Path) -> str:
    """The kind of a model file by its structure: "onnx", "export", "torchscript" or "state".

    Raises:
        ModelError: it is none of them, or not there.
    """
    try:
        return _kind(path, path.read_bytes())
    except OSError as error:
        raise ModelError(path, f"cannot be read: {error.strerror}", "check the path") from error


def _kind(path: Path, data: bytes) -> str:
    if path.suffix == ".onnx":
        return "onnx"
    if data[:4] != b"PK\x03\x04":
        found = "a pickle" if data[:1] == b"\x80" else f"it starts with {data[:8]!r}"
        cure = "save it as safetensors, TorchScript, .pt2 or ONNX"
        raise ModelError(path, f"is not a model that geoseg reads ({found})", cure)
    try:
        names = zipfile.ZipFile(path).namelist()
    except zipfile.BadZipFile as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error
    if path.suffix == ".pt2" or any(n.endswith(("archive_format", "serialized_exported_program.json")) for n in names):
        return "export"
    return "torchscript" if any("/code/" in n for n in names) else "state"


def _check_state(path: Path, state: Mapping[str, object]) -> dict[str, Tensor]:
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
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            what = f"weights {name!r} hold NaN or infinity"
            raise ModelError(path, what, "train it again, or use an earlier checkpoint")
        tensors[name] = tensor
    return tensors


def _safetensors(path: Path, data: bytes) -> tuple[dict[str, Tensor], Card]:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load

    try:
        state = load(data)
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("geoseg")
    except (SafetensorError, ValueError) as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error
    card = _sidecar(path) if text is None else Card.from_json(json.loads(text), path)
    if card is None:
        raise ModelError(path, "has no card in it or beside it", f"write {path.with_suffix('.json').name}")
    return _check_state(path, state), card


def _plain_state(path: Path) -> dict[str, Tensor]:
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        what = f"is not a plain state dict: {str(error).splitlines()[0]}"
        raise ModelError(path, what, "save module.state_dict()") from error
    if not isinstance(state, dict):
        raise ModelError(path, f"holds a {type(state).__name__}, expected a state dict", "save module.state_dict()")
    return _check_state(path, state)


def _sidecar(path: Path) -> Card | None:
    """The card beside a model file; None where there is none."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return None
    try:
        return Card.from_json(json.loads(beside.read_text()), beside)
    except ValueError as error:
        raise ModelError(beside, f"is not JSON: {error}", "correct it") from error


def save_model(path: Path, state: dict[str, Tensor], card: Card) -> str:
    """Write NAME.safetensors with the card inside, and NAME.json beside it; returns the SHA-256 of the former."""
    from safetensors.torch import save

    whole = replace(card, name=card.name or path.stem)
    text = json.dumps(whole.to_json(), ensure_ascii=False)
    data = save({k: v.contiguous() for k, v in state.items()}, metadata={"format": "pt", "geoseg": text})
    sha = commit_bytes(path, data)
    commit_bytes(path.with_suffix(".json"), (json.dumps({**whole.to_json(), "sha256": sha}, indent=1) + "\n").encode())
    return sha

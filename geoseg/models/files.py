"""Model files: weights plus a card that says what they need and what they are good for.

geoseg's own format is NAME.safetensors with the card as JSON in its metadata (key `geoseg`). TorchScript, torch.export,
ONNX and plain state dicts are used in place with a NAME.json of the same fields beside them. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from geoseg.classes import ISPRS, ClassTable
from geoseg.commit import commit_bytes
from geoseg.errors import ModelError

__all__ = ["Card", "ModelFile", "load_model", "load_weights", "model_kind", "save_model", "shipped_model"]

BANDS = ("red", "green", "blue", "nir", "grey", "height", "other")


@dataclass(frozen=True)
class Card:
    """What a network needs and what is known about it.

    `mean` and `std` are per band in the units of the data (0 to 255 for uint8). `patch`, `overlap`, `margin` and `stride` are
    in network pixels of `gsd` metres. `output` is "logits" or "probabilities"; `temperature` divides logits before softmax.
    `patch_dependent`: scores hang on the patch size (global pooling), so only the trained one should be used.
    """

    name: str
    architecture: str
    classes: ClassTable
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    gsd: float
    gsd_range: tuple[float, float]
    arguments: dict[str, Any] = field(default_factory=dict)
    dtype: str = "uint8"
    patch: int = 512
    overlap: int = 128
    margin: int = 0
    stride: int = 32
    patch_dependent: bool = True
    output: str = "logits"
    temperature: float = 1.0
    good_for: str = ""
    not_good_for: str = ""
    training: str = ""
    licence: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.bands)
        if not count or len(self.mean) != count or len(self.std) != count:
            raise ModelError(
                self.name,
                f"{count} bands, {len(self.mean)} means, {len(self.std)} deviations; expected as many of each",
            )
        if any(b not in BANDS for b in self.bands):
            raise ModelError(self.name, f"bands {self.bands}, expected names out of {', '.join(BANDS)}")
        if not all(s > 0 for s in self.std):
            raise ModelError(self.name, f"deviations {self.std}, expected numbers above 0")
        if self.output not in ("logits", "probabilities"):
            raise ModelError(self.name, f"output {self.output!r}, expected logits or probabilities")
        if not 0 < self.gsd_range[0] <= self.gsd <= self.gsd_range[1]:
            raise ModelError(self.name, f"GSD {self.gsd} m outside its own range {self.gsd_range}")
        if self.temperature <= 0:
            raise ModelError(self.name, f"temperature {self.temperature}, expected a number above 0")

    def to_json(self) -> dict[str, Any]:
        """Plain dict."""
        return {**asdict(self), "classes": self.classes.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any], subject: object) -> Card:
        """Inverse of `to_json`.

        Raises:
            ModelError: names the field that is missing or wrong.
        """
        if not isinstance(value, dict):
            raise ModelError(
                subject, f"holds a {type(value).__name__}, expected a mapping of fields", "see geoseg model info --json"
            )
        try:
            known = {k: v for k, v in value.items() if k in cls.__dataclass_fields__}
            rows = known.pop("classes")
            for name in ("bands", "mean", "std", "gsd_range"):
                known[name] = tuple(known[name])
            return cls(classes=ClassTable.from_json(rows), **known)
        except (KeyError, TypeError) as error:
            raise ModelError(
                subject, f"its card lacks or misspells a field: {error}", "see geoseg model info --help"
            ) from error


@dataclass(frozen=True)
class ModelFile:
    """A model file that was read: `kind` is "state" (weights of a known architecture), "torchscript", "export" or "onnx"."""

    path: Path
    kind: str
    card: Card
    sha256: str
    state: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """Hash of weights and card: changes with anything that decides scores, classes or confidence."""
        return hashlib.sha256((self.sha256 + json.dumps(self.card.to_json(), sort_keys=True)).encode()).hexdigest()


def shipped_model() -> Path:
    """The network that comes with geoseg."""
    return Path(__file__).parent.parent / "weights" / "unet_mobilenet_v2.safetensors"


def load_model(path: Path) -> ModelFile:
    """Read a model file of any known format.

    Raises:
        ModelError: not there, not a model, no card, or not finite; says what was found and the cure.
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
    card = _sidecar(path) or (_onnx_card(path) if kind == "onnx" else None)
    if card is None:
        raise ModelError(
            path, "has no card beside it", f"write {path.with_suffix('.json').name} with bands, mean, std, gsd, classes"
        )
    return ModelFile(path, kind, card, sha, _plain_state(path) if kind == "state" else None)


def load_weights(path: Path) -> dict[str, Any]:
    """Tensors of a plain state dict (torchvision's .pth) or a safetensors file, without a card.

    Raises:
        ModelError: not there, a pickle of something else, or not finite.
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
        return _finite(path, load(data))
    except (SafetensorError, ValueError) as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error


def model_kind(path: Path) -> str:
    """Which kind of model file it is, by its own structure: "onnx", "export", "torchscript" or "state".

    Raises:
        ModelError: none of them, or not there.
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
        raise ModelError(
            path, f"is not a model that geoseg reads ({found})", "save it as safetensors, TorchScript, .pt2 or ONNX"
        )
    try:
        names = zipfile.ZipFile(path).namelist()
    except zipfile.BadZipFile as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error
    if path.suffix == ".pt2" or any(n.endswith(("archive_format", "serialized_exported_program.json")) for n in names):
        return "export"
    return "torchscript" if any("/code/" in n for n in names) else "state"


def _finite(path: Path, state: dict[str, Any]) -> dict[str, Any]:
    import torch

    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            raise ModelError(
                path, f"entry {name!r} is {type(tensor).__name__}, expected a tensor", "save module.state_dict() only"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelError(
                path, f"weights {name!r} hold NaN or infinity", "train it again, or use an earlier checkpoint"
            )
    return state


def _safetensors(path: Path, data: bytes) -> tuple[dict[str, Any], Card]:
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
    return _finite(path, state), card


def _plain_state(path: Path) -> dict[str, Any]:
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ModelError(
            path, f"is not a plain state dict: {str(error).splitlines()[0]}", "save module.state_dict()"
        ) from error
    if not isinstance(state, dict):
        raise ModelError(path, f"holds a {type(state).__name__}, expected a state dict", "save module.state_dict()")
    return _finite(path, state)


def _sidecar(path: Path) -> Card | None:
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return None
    try:
        return Card.from_json(json.loads(beside.read_text()), beside)
    except ValueError as error:
        raise ModelError(beside, f"is not JSON: {error}", "correct it") from error


def _onnx_card(path: Path) -> Card | None:
    """Card from an ONNX file's own metadata: geoseg's key, or the keys of QGIS Deepness."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ModelError(path, "needs the onnx package to be read", "pip install 'geoseg[onnx]'") from error
    try:
        keys = {p.key: p.value for p in onnx.load(path, load_external_data=False).metadata_props}
    except DecodeError as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error
    if "geoseg" in keys:
        return Card.from_json(json.loads(keys["geoseg"]), path)
    if "resolution" not in keys or "class_names" not in keys:
        return None
    try:
        return _deepness_card(path, keys)
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            path, f"has unreadable Deepness metadata: {error}", f"write {path.with_suffix('.json').name} beside it"
        ) from error


def _deepness_card(path: Path, keys: dict[str, str]) -> Card:
    """Card from the metadata that QGIS Deepness reads; its resolution is in centimetres."""
    names = json.loads(keys["class_names"])
    values = sorted((int(k), str(v)) for k, v in names.items())
    colours = [c.colour for c in ISPRS.classes]
    rows = [
        {"value": v, "name": n, "colour": list(colours[i % 6]), "role": _role(n)} for i, (v, n) in enumerate(values)
    ]
    patch = int(json.loads(keys.get("tiles_size", "512")))
    share = float(json.loads(keys.get("tiles_overlap", "25"))) / 100
    mean = json.loads(keys.get("standardization_mean", "[0, 0, 0]"))
    std = json.loads(keys.get("standardization_std", "[1, 1, 1]"))
    gsd = float(json.loads(keys["resolution"])) / 100
    return Card(
        name=path.stem,
        architecture="onnx",
        classes=ClassTable.from_json(rows),
        bands=("red", "green", "blue", "nir")[: len(mean)],
        mean=tuple(255 * m for m in mean),
        std=tuple(255 * s for s in std),
        gsd=gsd,
        gsd_range=(gsd, gsd),
        patch=patch,
        overlap=int(patch * share) // 2 * 2,
        stride=1,
    )


def _role(name: str) -> str:
    words = {
        "building": "building",
        "house": "building",
        "road": "road",
        "imperv": "road",
        "tree": "tree",
        "car": "car",
        "veget": "ground",
    }
    return next((role for word, role in words.items() if word in name.lower()), "other")


def save_model(path: Path, state: dict[str, Any], card: Card) -> str:
    """Write NAME.safetensors with the card inside, and NAME.json beside it; returns the SHA-256 of the weights file."""
    from safetensors.torch import save

    whole = replace(card, name=card.name or path.stem)
    text = json.dumps(whole.to_json(), ensure_ascii=False)
    data = save({k: v.contiguous() for k, v in state.items()}, metadata={"format": "pt", "geoseg": text})
    sha = commit_bytes(path, data)
    commit_bytes(path.with_suffix(".json"), (json.dumps({**whole.to_json(), "sha256": sha}, indent=1) + "\n").encode())
    return sha

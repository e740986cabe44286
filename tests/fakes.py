"""Networks whose answer is known, as files that geoseg takes."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch

from geoseg.classes import ISPRS


class BandNetwork(torch.nn.Module):
    """Returns the truth: scores are one-hot of the first band, whose values are the classes."""

    def __init__(self, classes: int = 6, height: float = 8.0) -> None:
        super().__init__()
        self.register_buffer("values", torch.arange(classes, dtype=torch.float32)[None, :, None, None])
        self.height = height

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (torch.abs(x[:, :1] - self.values) < 0.5).float() * self.height


class BlurNetwork(torch.nn.Module):
    """Random scores from a neighbourhood of 3 pixels: seams would show."""

    def __init__(self, bands: int = 3, classes: int = 6) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.conv = torch.nn.Conv2d(bands, classes, 7, padding=3)
        for p in self.conv.parameters():
            p.data = torch.randn(p.shape, generator=generator) * 0.05

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class SlowBlur(torch.nn.Module):
    """Heavy enough that a worker can be killed in the middle."""

    def __init__(self, turns: int = 60) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.first = torch.nn.Conv2d(3, 6, 3, padding=1)
        self.again = torch.nn.Conv2d(6, 6, 3, padding=1)
        self.turns = turns
        for p in self.parameters():
            p.data = torch.randn(p.shape, generator=generator) * 0.1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for _ in range(self.turns):
            x = torch.tanh(self.again(x))
        return x


@dataclass(frozen=True)
class _Equal:
    """A network, equal to others of its class with the same values."""

    key: tuple[object, ...]
    network: torch.nn.Module = field(compare=False)


@lru_cache(maxsize=64)
def _traced(one: _Equal) -> bytes:
    bands = one.key[-1]
    assert isinstance(bands, int)
    buffer = io.BytesIO()
    with torch.inference_mode():
        torch.jit.save(torch.jit.trace(one.network.eval(), torch.zeros(1, bands, 64, 64)), buffer)
    return buffer.getvalue()


def save_network(path: Path, network: torch.nn.Module, *, bands: int = 3, **card: object) -> Path:
    """TorchScript with its card beside it.

    Equal networks are traced once, so that they have equal bytes: geoseg tries the same bytes once in a process.
    """
    state = {k: v.numpy().tobytes() for k, v in network.state_dict().items()}
    plain = {k: v for k, v in vars(network).items() if not k.startswith("_")}
    path.write_bytes(_traced(_Equal((type(network), repr(plain), repr(sorted(state.items())), bands), network)))
    facts = {
        "name": path.stem,
        "architecture": "torchscript",
        "classes": ISPRS.to_json(),
        "bands": ["red", "green", "blue"][:bands],
        "mean": [0.0] * bands,
        "std": [1.0] * bands,
        "gsd": 0.1,
        "gsd_range": [0.02, 10.0],
        "patch": 64,
        "overlap": 32,
        "margin": 0,
        "stride": 1,
        "patch_dependent": False,
        **card,
    }
    path.with_suffix(".json").write_text(json.dumps(facts))
    return path


def untrained(path: Path, name: str, **arguments: object) -> Path:
    """A file of a network of that name with random weights."""
    from geoseg.models.card import Card
    from geoseg.models.files import save_model
    from geoseg.networks import geometry_of, make_network

    torch.manual_seed(1)
    network = make_network(name, 3, 6, **arguments)
    for module in network.modules():  # spread the scores, so that ties do not decide
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
    geometry = geometry_of(name)
    step = 2 * geometry.stride
    overlap = (2 * geometry.margin + step) // step * step
    patch = -(-(overlap + 2 * step) // 64) * 64
    card = Card(
        name,
        name,
        ISPRS,
        ("red", "green", "blue"),
        (120.0,) * 3,
        (60.0,) * 3,
        0.1,
        (0.02, 1.0),
        dict(arguments),
        patch=patch,
        overlap=overlap,
        margin=geometry.margin,
        stride=geometry.stride,
        patch_dependent=geometry.patch_dependent,
    )
    save_model(path, network.state_dict(), card)
    return path

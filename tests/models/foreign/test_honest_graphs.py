"""Honest networks in every format give the bits that they gave before."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from geoseg.models.load import load_graph

SIDE = 64


class Scores(torch.nn.Module):
    """The scores out of the dict of a network of torchvision."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)["out"]


def _torchvision(name: str) -> torch.nn.Module:
    from torchvision.models import get_model

    return Scores(get_model(name, weights=None, weights_backbone=None, num_classes=6))


def _smp(decoder: str, encoder: str) -> torch.nn.Module:
    smp = pytest.importorskip("segmentation_models_pytorch")
    return getattr(smp, decoder)(encoder, encoder_weights=None, classes=6)


NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "unet/resnet18": lambda: _smp("Unet", "resnet18"),
}
MORE: dict[str, Callable[[], torch.nn.Module]] = {
    "lraspp_mobilenet_v3_large": lambda: _torchvision("lraspp_mobilenet_v3_large"),
    "fpn/efficientnet-b0": lambda: _smp("FPN", "efficientnet-b0"),
    "deeplabv3_resnet50": lambda: _torchvision("deeplabv3_resnet50"),
    "fcn_resnet50": lambda: _torchvision("fcn_resnet50"),
    **{
        f"{decoder}/resnet18": lambda d=decoder: _smp(d, "resnet18")
        for decoder in ("UnetPlusPlus", "MAnet", "Linknet", "PSPNet", "DeepLabV3", "DeepLabV3Plus", "UPerNet")
    },
    "segformer/mit_b0": lambda: _smp("Segformer", "mit_b0"),
    "unet/tu-convnext_atto": lambda: _smp("Unet", "tu-convnext_atto"),
    "unet/tu-regnety_002": lambda: _smp("Unet", "tu-regnety_002"),
    "unet/densenet121": lambda: _smp("Unet", "densenet121"),
    "unet/vgg11_bn": lambda: _smp("Unet", "vgg11_bn"),
}


def _saved(how: str, network: torch.nn.Module, x: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how == "traced":
            torch.jit.save(torch.jit.trace(network, x, check_trace=False), buffer)
        elif how == "scripted":
            torch.jit.save(torch.jit.script(network), buffer)
        elif how == "exported":
            torch.export.save(torch.export.export(network, (x,)), buffer)
        else:
            torch.onnx.export(network, (x,), buffer, dynamo=False)
    return buffer.getvalue()


def _same_bits(folder: Path, how: str, make: Callable[[], torch.nn.Module]) -> None:
    torch.manual_seed(3)
    network, x = make().eval(), torch.rand(1, 3, SIDE, SIDE)
    data = _saved(how, network, x)
    suffix, kind = {"exported": (".pt2", "export"), "onnx": (".onnx", "onnx")}.get(how, (".pt", "torchscript"))
    path = folder / f"m{suffix}"
    path.write_bytes(data)
    loaded = load_graph(path, kind, hashlib.sha256(data).hexdigest())
    with torch.inference_mode():
        if how == "onnx":
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            expected = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
        else:
            plain = (
                torch.export.load(io.BytesIO(data)).module() if how == "exported" else torch.jit.load(io.BytesIO(data))
            )
            expected = plain(x)
        assert torch.equal(loaded(x), expected)


@pytest.mark.parametrize("how", ["traced", "scripted", "exported", "onnx"])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_network_gives_the_bits_that_it_gave_before(tmp_path, name, how) -> None:
    if how == "onnx":
        pytest.importorskip("onnxruntime")
    _same_bits(tmp_path, how, NETWORKS[name])


NOBODY_WRITES = {("UnetPlusPlus/resnet18", "scripted"), ("PSPNet/resnet18", "onnx"), ("UPerNet/resnet18", "onnx")}
"""What PyTorch itself cannot write: a ModuleDict by a computed name, adaptive pooling that does not divide."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "how"),
    [(n, h) for n in MORE for h in ("traced", "scripted", "exported", "onnx") if (n, h) not in NOBODY_WRITES],
)
def test_many_networks_give_the_bits_that_they_gave_before(tmp_path, name, how) -> None:
    _same_bits(tmp_path, how, MORE[name])


SCRIPT = """
import sys, warnings
from typing import Dict, List, Optional, Tuple
import torch
import torch.nn.functional as F
from torch import nn, Tensor
warnings.simplefilter("ignore")

class Block(nn.Module):
    def __init__(self, i: int, o: int, skip: bool = True):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))
        self.skip = skip
        self.scale: Optional[float] = 0.5
    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.skip and y.shape == x.shape:
            scale = self.scale
            y = y + x * (scale if scale is not None else 1.0)
        return y

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([Block(3, 8, False), Block(8, 8), Block(8, 16, False)])
        self.heads = nn.ModuleDict({"out": nn.Conv2d(24, 6, 1)})
        self.drop = nn.Dropout2d(0.1)
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))
        self.gate = nn.Parameter(torch.ones(1))
        self.widths: List[int] = [8, 16]
    def pad(self, x: Tensor, stride: int = 4) -> Tuple[Tensor, int, int]:
        h, w = x.shape[-2:]
        ph, pw = (stride - h % stride) % stride, (stride - w % stride) % stride
        return F.pad(x, [0, pw, 0, ph], mode="reflect"), h, w
    def forward(self, x: Tensor) -> Tensor:
        x, h, w = self.pad(x - self.mean)
        kept: List[Tensor] = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = F.max_pool2d(x, 2) if len(kept) < 3 else x
        low = F.interpolate(kept[2], size=kept[1].shape[-2:], mode="bilinear", align_corners=False)
        y = torch.cat([low, kept[1]], dim=1)
        a = torch.einsum("bchw,bdhw->bcd", y, y).softmax(-1).mean((1, 2), keepdim=True)[..., None]
        y = self.drop(y) * self.gate * torch.sigmoid(a)
        y = self.heads["out"](y)
        y = F.interpolate(y, scale_factor=2.0, mode="nearest")
        return torch.clamp(y[:, :, :h, :w], -50.0, 50.0)

torch.manual_seed(1)
net, x = Net().eval(), torch.rand(1, 3, 64, 64)
folder = sys.argv[1]
with torch.no_grad():
    torch.jit.save(torch.jit.trace(net, x), f"{folder}/traced.pt")
    torch.jit.save(torch.jit.script(net), f"{folder}/scripted.pt")
    torch.jit.save(torch.jit.freeze(torch.jit.script(net)), f"{folder}/frozen.pt")
    torch.export.save(torch.export.export(net, (x,)), f"{folder}/exported.pt2")
    torch.save(net(x), f"{folder}/expected.pth")
    torch.save(x, f"{folder}/x.pth")
"""
"""A network as people write them in a script or notebook of their own, so that its classes belong to `__main__`."""


def test_networks_of_a_users_own_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py", "."], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    x, expected = torch.load(tmp_path / "x.pth"), torch.load(tmp_path / "expected.pth")
    for path in sorted(tmp_path.glob("*.pt*")):
        if path.suffix in (".pt", ".pt2"):
            kind = "export" if path.suffix == ".pt2" else "torchscript"
            loaded = load_graph(path, kind, hashlib.sha256(path.read_bytes()).hexdigest())
            with torch.inference_mode():
                assert torch.allclose(loaded(x), expected, atol=1e-4), path.name

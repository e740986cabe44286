"""Honest networks in every format give the bits that they gave before."""

from __future__ import annotations

import hashlib
import io
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
    "unet/timm-regnety_002": lambda: _smp("Unet", "timm-regnety_002"),
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


@pytest.mark.slow
@pytest.mark.parametrize("how", ["traced", "scripted", "exported", "onnx"])
@pytest.mark.parametrize("name", list(MORE))
def test_many_networks_give_the_bits_that_they_gave_before(tmp_path, name, how) -> None:
    _same_bits(tmp_path, how, MORE[name])

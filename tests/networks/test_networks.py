"""Networks learn, and know how far they see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoseg.errors import EnvironmentFault, UsageError
from geoseg.learn.losses import LossOptions, cross_entropy
from geoseg.networks import NETWORKS, geometry_of, make_network, unet_efficientnet_lite, unet_mobilenet, unet_s

PLAIN = LossOptions()

SMP = (
    "unet/resnet18",
    "unetplusplus/resnet18",
    "deeplabv3plus/mobilenet_v2",
    "fpn/resnet18",
    "upernet/resnet18",
    "segformer/mit_b0",
)


def _made(name: str, bands: int = 3) -> torch.nn.Module:
    torch.manual_seed(0)
    if "/" in name:
        pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    return make_network(name, bands, 6)


LIGHT = (
    "unet_s",
    "unet_mobilenet_v2",
    "encoder_decoder",
    "deeplabv3_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
    "unet/resnet18",
)

HEAVY = sorted({*NETWORKS, *SMP} - set(LIGHT))


def _lowers_the_loss(name: str, bands: int) -> None:
    network, generator = _made(name, bands), torch.Generator().manual_seed(1)
    x = torch.randn(2, bands, 64, 64, generator=generator)
    labels = (x[:, 0] > 0).long()
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    losses = []
    for _ in range(6):
        out = network.train()(x)
        scores = out["out"] if isinstance(out, dict) else out
        assert scores.shape == (2, 6, 64, 64)
        loss = cross_entropy(scores, labels, PLAIN)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert min(losses[1:]) < losses[0]


@pytest.mark.parametrize("name", LIGHT)
def test_steps_lower_the_loss(name: str) -> None:
    _lowers_the_loss(name, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEAVY)
def test_steps_lower_the_loss_heavy(name: str) -> None:
    _lowers_the_loss(name, 4 if not name.startswith("segformer") else 3)


REACHES = {
    "unet_s": unet_s.RADIUS,
    "unet_mobilenet_v2": unet_mobilenet.RADIUS,
    **{f"unet_efficientnet_lite{n}": radius for n, radius in unet_efficientnet_lite.RADIUS.items()},
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n[-1] in "12" else ()) for n in REACHES])
def test_stated_margin_holds_the_receptive_field(name: str) -> None:
    """A change of one pixel moves no score further away than the margin, and some score near it."""
    network, margin = _made(name).eval(), geometry_of(name).margin
    for parameter in network.parameters():  # no zero initial biases or dead ReLUs in the way
        parameter.data = torch.rand_like(parameter) * 0.1 + 0.01
    side = (2 * margin + 64) // 32 * 32 + 64
    x = torch.rand(1, 3, side, side, requires_grad=True)
    scores, reach = network(x), 0
    for middle in range(side // 2, side // 2 + geometry_of(name).stride):  # a pixel's place among the strides matters
        (gradient,) = torch.autograd.grad(scores[0, :, middle, middle].sum(), x, retain_graph=True)
        touched = np.argwhere(gradient[0].abs().sum(0).numpy() > 0) - middle
        reach = max(reach, int(np.abs(touched).max()))
    assert reach == REACHES[name]
    assert reach <= margin
    assert margin % geometry_of(name).stride == 0


def test_unknown_networks_are_named() -> None:
    with pytest.raises(UsageError, match="did you mean unet_s"):
        make_network("unet_x", 3, 6)
    with pytest.raises(UsageError, match="not take these arguments"):
        make_network("unet_s", 3, 6, widht=3)
    with pytest.raises((UsageError, EnvironmentFault), match="nosuch"):
        make_network("unet/nosuch", 3, 6)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("unet/tu-hf-hub:somebody/net", {}, "has an encoder named"),
        ("unet/tu-local-dir:/etc", {}, "has an encoder named"),
        ("unet/../resnet18", {}, "has an encoder named"),
        ("unet/resnet18", {"checkpoint_path": "/etc/passwd"}, "does not take the arguments checkpoint_path"),
        ("unet/tu-resnet18", {"pretrained_cfg_overlay": {"file": "/etc/passwd"}}, "does not take the arguments"),
        ("unet/resnet18", {"encoder_weights": "imagenet"}, "cannot be built"),
        ("deeplabv3_resnet50", {"weights": "DEFAULT"}, "does not take these arguments"),
        ("unet_s", {"weights": "x"}, "does not take these arguments"),
    ],
)
def test_a_card_can_not_make_a_network_open_a_file_or_a_connection(name, arguments, words) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    with pytest.raises(UsageError, match=words):
        make_network(name, 3, 6, **arguments)

"""Backbones: weights taken, widened and matched by name."""

from __future__ import annotations

import pytest
import torch

from geoseg.errors import ModelError
from geoseg.networks import make_network
from geoseg.networks.backbone import load_backbone, load_by_name, widen


@pytest.mark.parametrize("bands", [1, 3, 4, 6])
def test_widened_first_convolution_keeps_its_answer(bands: int) -> None:
    """Grey in every band gives what grey in three gave."""
    weight = torch.randn(8, 3, 3, 3)
    flat = torch.full((1, 1, 9, 9), 0.7)
    three = torch.nn.functional.conv2d(flat.expand(1, 3, 9, 9), weight)
    if bands % 3 == 0:
        many = torch.nn.functional.conv2d(flat.expand(1, bands, 9, 9), widen(weight, bands))
        assert torch.allclose(three, many, atol=1e-5)
    assert widen(weight, bands).shape == (8, bands, 3, 3)


def test_backbone_weights_are_taken_and_widened() -> None:
    from torchvision.models import mobilenet_v2

    classifier = mobilenet_v2(weights=None)
    network = make_network("unet_mobilenet_v2", 4, 6)
    taken = load_backbone(network, classifier.state_dict(), "test")
    assert taken > 150
    assert torch.equal(network.backbone[3].conv[0][0].weight, classifier.features[3].conv[0][0].weight)
    with pytest.raises(ModelError, match="tensors of this backbone"):
        load_backbone(make_network("unet_mobilenet_v2", 3, 6), {"conv1.weight": torch.zeros(1)}, "x.pth")


def test_a_whole_network_as_a_backbone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    network = make_network("unet_mobilenet_v2", 3, 6)
    load_backbone(make_network("unet_mobilenet_v2", 3, 6), network.backbone.state_dict(), "backbone.pth")
    assert not caplog.text
    load_backbone(make_network("unet_mobilenet_v2", 3, 6), network.state_dict(), "whole.pth")
    assert "whole.pth holds a whole network; only its backbone is taken (give it as `init`" in caplog.text


def test_init_matches_classes_by_name() -> None:
    old, new = make_network("unet_s", 3, 3), make_network("unet_s", 4, 4)
    _, shared = load_by_name(new, old.state_dict(), ("car", "tree", "water", "road"), ("tree", "road", "car"))
    assert shared == ["car", "tree", "road"]
    for mine, theirs in ((0, 2), (1, 0), (3, 1)):
        assert torch.equal(new.head.weight[mine], old.head.weight[theirs])
    assert torch.equal(new.down4.first[0].weight, old.down4.first[0].weight)

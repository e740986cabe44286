"""Backbones: weights taken, widened and matched by name."""

from __future__ import annotations

from urllib.error import URLError

import pytest
import torch
from torchvision import models

from geoseg.datasets.public import VOC
from geoseg.errors import EnvironmentFault, ModelError, UsageError
from geoseg.networks import make_network
from geoseg.networks.backbone import imagenet_weights, load_backbone, load_by_name, torchvision_weights, widen


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


def test_whole_weights_of_torchvision_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched here: torchvision's own call is replaced."""
    weights = models.get_model_weights("lraspp_mobilenet_v3_large").DEFAULT
    state = make_network("lraspp_mobilenet_v3_large", 3, 21).state_dict()
    monkeypatch.setattr(type(weights), "get_state_dict", lambda *a, **k: state)
    found, classes = torchvision_weights("lraspp_mobilenet_v3_large")
    assert found is state
    assert classes == tuple(c.name for c in VOC.classes)
    network = make_network("lraspp_mobilenet_v3_large", 3, 6)
    own = network.classifier.high_classifier.weight.clone()
    load_by_name(network, found, ("a", "b", "c", "d", "e", "f"), classes)
    assert torch.equal(network.backbone["0"][0].weight, state["backbone.0.0.weight"])
    assert torch.equal(network.classifier.high_classifier.weight, own)
    with pytest.raises(UsageError, match="unet_s: is no network of torchvision"):
        torchvision_weights("unet_s")


def test_weights_that_cannot_be_fetched_name_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no network here")

    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", offline)
    with pytest.raises(EnvironmentFault, match=r"resnet50: cannot be fetched: .*no network here.*FILE as init"):
        torchvision_weights("deeplabv3_resnet50")
    with pytest.raises(EnvironmentFault, match="give a FILE as backbone_weights"):
        imagenet_weights("unet_mobilenet_v2")

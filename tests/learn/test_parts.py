"""Frozen parts, rates per part, averaged weights."""

from __future__ import annotations

import pytest
import torch

from geoseg.errors import UsageError
from geoseg.learn.parts import Average, freeze, parameter_groups, training_mode
from geoseg.networks import make_network


def test_frozen_backbone_does_not_move_at_all() -> None:
    """Frozen weights, and the running statistics of frozen batch norms: many freeze the first and forget the second."""
    network = make_network("lraspp_mobilenet_v3_large", 3, 6)
    before = {k: v.clone() for k, v in network.backbone.state_dict().items()}
    frozen = freeze(network, ["backbone"])
    optimiser = torch.optim.AdamW(parameter_groups(network, 0.01, None, 0.01), lr=0.01)
    for _ in range(2):
        training_mode(network, frozen)
        network(torch.randn(2, 3, 64, 64))["out"].mean().backward()
        optimiser.step()
    assert all(torch.equal(v, before[k]) for k, v in network.backbone.state_dict().items())
    assert network.classifier.training
    with pytest.raises(UsageError, match="no part of this network"):
        freeze(network, ["bakbone"])


def test_rates_per_part_cover_every_parameter_once() -> None:
    network = make_network("deeplabv3_mobilenet_v3_large", 3, 6)
    groups = parameter_groups(network, 1e-3, 1e-4, 0.01)
    held = [id(p) for g in groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in network.parameters())
    assert {g["base"] for g in groups} == {1e-3, 1e-4}
    assert all(g["weight_decay"] == 0 for g in groups if g["params"][0].ndim == 1)


def test_average_of_constant_weights_is_the_weights() -> None:
    network = make_network("unet_s", 3, 2)
    average = Average(network, 0.99)
    for _ in range(3):
        average.update(network)
    assert all(torch.allclose(v.float(), average.state[k].float()) for k, v in network.state_dict().items())

"""Model cards are checked."""

from __future__ import annotations

import json

import pytest
from fakes import BandNetwork, save_network

from geoseg.errors import ModelError
from geoseg.models.files import load_model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [0.0]}, "3 bands, 1 means"),
        ({"std": [0.0, 1.0, 1.0]}, "above 0"),
        ({"bands": ["red", "green", "ultraviolet"]}, "expected names out of"),
        ({"output": "votes"}, "logits or probabilities"),
        ({"gsd": 50.0}, "outside its own range"),
        ({"temperature": 0.0}, "above 0"),
        ({"classes": [{"value": 0, "name": "a", "colour": [0, 0, 0], "role": "lake"}]}, "expected one of"),
        ({"classes": [{"value": 255, "name": "a", "colour": [0, 0, 0], "role": "other"}]}, "expected 0 to 254"),
        ({"classes": []}, "at least one"),
    ],
)
def test_cards_are_checked(tmp_path, change, message):
    path = save_network(tmp_path / "n.pt", BandNetwork())
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        load_model(path)

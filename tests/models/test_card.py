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
        ({"name": 3}, "name is 3, expected text"),
        ({"licence": "a\x1bb"}, "control characters"),
        ({"temperature": float("nan")}, "temperature is nan, expected finite"),
        ({"gsd": True}, "gsd is True, expected finite"),
        ({"gsd": "0.1"}, "gsd is '0.1', expected finite"),
        ({"mean": [1, None, 2]}, "mean is .*, expected finite"),
        ({"stride": 0}, "stride 0, margin 0"),
        ({"patch": 64.5}, "patch is 64.5, expected whole"),
        ({"patch": 0}, "patch 0, overlap 32"),
        ({"overlap": 64}, "patch 64, overlap 64"),
        ({"margin": -1}, "margin -1"),
        ({"arguments": [1]}, "no mapping"),
        ({"gsd_range": [0.1]}, "expected two numbers"),
        ({"bands": ["red", 2, "blue"]}, "expected two numbers, and names"),
        ({"classes": [{"value": 1, "name": None, "colour": [0, 0, 0], "role": "other"}]}, "no text"),
        ({"classes": [{"value": 1.5, "name": "a", "colour": [0, 0, 0], "role": "other"}]}, "no whole number"),
        ({"classes": [{"value": 1, "name": "a\x00b", "colour": [0, 0, 0], "role": "other"}]}, "control characters"),
        ({"classes": 7}, "class table"),
    ],
)
def test_cards_are_checked(tmp_path, change, message):
    path = save_network(tmp_path / "n.pt", BandNetwork())
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(ModelError, match=message) as caught:
        load_model(path)
    assert caught.value.subject == str(card)

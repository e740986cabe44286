"""Model files: saved, read, damaged, hostile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from fakes import BandNetwork, save_network

from geoseg.errors import ModelError
from geoseg.models.files import load_model, save_model, shipped_model


def test_a_model_survives_saving(tmp_path):
    model = load_model(shipped_model())
    save_model(tmp_path / "copy.safetensors", model.state, model.card)
    copy = load_model(tmp_path / "copy.safetensors")
    assert copy.card == model.card
    assert all(torch.equal(copy.state[k], v) for k, v in model.state.items())
    assert json.loads((tmp_path / "copy.json").read_text())["sha256"] == copy.sha256


def test_a_plain_state_dict_with_a_card(tmp_path):
    model = load_model(shipped_model())
    torch.save(model.state, tmp_path / "plain.pt")
    (tmp_path / "plain.json").write_text(json.dumps(model.card.to_json()))
    assert load_model(tmp_path / "plain.pt").kind == "state"


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def _pickled(path, target):
    torch.save({"x": Evil(target)}, path)
    path.with_suffix(".json").write_text(json.dumps(load_model(shipped_model()).card.to_json()))


def test_pickles_are_never_run(tmp_path):
    _pickled(tmp_path / "evil.pt", tmp_path / "ran")
    with pytest.raises(ModelError, match="not a plain state dict"):
        load_model(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()
    import pickle

    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(ModelError, match="a pickle"):
        load_model(tmp_path / "raw.pt")
    assert not (tmp_path / "ran").exists()


def test_damaged_models_are_model_errors(tmp_path, truth_network):
    from geoseg.models.files import load_model

    cut = tmp_path / "cut.pt"
    cut.write_bytes(truth_network.read_bytes()[:2000])
    with pytest.raises(ModelError, match="is damaged"):
        load_model(cut)
    listed = save_network(tmp_path / "listed.pt", BandNetwork())
    listed.with_suffix(".json").write_text("[1]")
    with pytest.raises(ModelError, match="expected a mapping"):
        load_model(listed)


def _beside(path: Path, value: object) -> Path:
    torch.save(value, path)
    path.with_suffix(".json").write_text(json.dumps(load_model(shipped_model()).card.to_json()))
    return path


def test_weights_that_would_unfold_in_memory_are_refused(tmp_path) -> None:
    """A kilobyte of file with a stride of 0 would be gigabytes of weights."""
    for name, tensor in (
        ("stretched", torch.zeros(1).expand(1 << 20)),
        ("nowhere", torch.zeros(4, device="meta")),
    ):
        with pytest.raises(ModelError):
            load_model(_beside(tmp_path / f"{name}.pt", {"w": tensor}))


def test_a_card_that_wants_a_huge_network_is_refused_before_it_is_made(tmp_path) -> None:
    model = load_model(shipped_model())
    from geoseg.models.load import build_network

    cases = (({"width": 10**9}, "an argument is"), ({"width": 4000}, "do not fit"), ({"width": -1}, "width|fit|made"))
    for arguments, words in cases:
        path = _beside(tmp_path / "m.pt", model.state)
        card = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_text(json.dumps({**card, "arguments": arguments}))
        with pytest.raises(ModelError, match=words):
            build_network(load_model(path))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"gsd": 1' + "0" * 400 + "}"])
def test_a_card_that_cannot_be_read_is_an_error_of_the_model(tmp_path, text) -> None:
    path = _beside(tmp_path / "m.pt", {"w": torch.zeros(1)})
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ModelError):
        load_model(path)

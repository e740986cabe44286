"""Graphs of others: none runs code, opens a file or hangs; honest ones give the bits that they gave before."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import BandNetwork, BlurNetwork, save_network
from hostile_models import GRAPHS, HONEST, STATIC, TRIED, Graph, Small, exported, flipped, scripted

from geoseg.errors import ModelError
from geoseg.models.files import ModelFile, load_model
from geoseg.models.foreign.trial import Limits, try_model
from geoseg.models.load import build_network, load_graph

KINDS = {".pt": "torchscript", ".pt2": "export", ".onnx": "onnx"}


def _written(folder: Path, graph: Graph) -> tuple[Path, str, str]:
    """The file of a case beside its bait, its kind and its SHA-256."""
    if graph.file.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
    (folder / "secret.txt").write_bytes(b"7" * 4096)
    path = folder / graph.file
    path.write_bytes(graph.make(folder))
    return path, KINDS[path.suffix], hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", [n for n, g in GRAPHS.items() if g.outcome == STATIC])
def test_a_graph_that_names_what_it_must_not_is_refused_before_torch_sees_it(tmp_path, monkeypatch, name) -> None:
    monkeypatch.setattr(torch.jit, "load", lambda *a, **k: pytest.fail("torch was given the file"))
    monkeypatch.setattr(torch.export, "load", lambda *a, **k: pytest.fail("torch was given the file"))
    path, kind, sha = _written(tmp_path, GRAPHS[name])
    with pytest.raises(ModelError, match=GRAPHS[name].words) as caught:
        load_graph(path, kind, sha)
    assert caught.value.subject == str(path)
    assert caught.value.cure
    assert not (tmp_path / "RAN").exists()


@pytest.mark.parametrize("name", [n for n, g in GRAPHS.items() if g.outcome == HONEST])
def test_what_is_bad_beside_an_honest_graph_is_left_out(tmp_path, monkeypatch, name) -> None:
    load = torch.load

    def careful(*args: object, **options: object) -> object:
        assert options.get("weights_only") is True
        return load(*args, **options)

    monkeypatch.setattr(torch, "load", careful)
    path, kind, sha = _written(tmp_path, GRAPHS[name])
    network = load_graph(path, kind, sha)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 6, 64, 64)
    assert not (tmp_path / "RAN").exists()


@pytest.mark.parametrize("name", [n for n, g in GRAPHS.items() if g.outcome == TRIED])
def test_a_graph_without_end_or_measure_ends_in_its_trial(tmp_path, name) -> None:
    path, kind, sha = _written(tmp_path, GRAPHS[name])
    card = load_model(save_network(tmp_path / "honest.pt", BandNetwork())).card
    model = ModelFile(path, kind, card, sha)
    with pytest.raises(ModelError, match=GRAPHS[name].words):
        try_model(model, Limits(seconds=2.0, ram=1 << 30))


def _honest(folder: Path) -> dict[str, tuple[Path, torch.nn.Module]]:
    files = {"script.pt": scripted, "program.pt2": exported}
    found: dict[str, tuple[Path, torch.nn.Module]] = {}
    for name, make in files.items():
        network = BlurNetwork().eval() if name == "script.pt" else Small().eval()
        (folder / name).write_bytes(make(network))
        found[name] = folder / name, network
    return found


def test_honest_graphs_give_the_bits_of_their_networks(tmp_path) -> None:
    x = torch.rand(1, 3, 64, 64)
    for name, (path, network) in _honest(tmp_path).items():
        loaded = load_graph(path, KINDS[path.suffix], hashlib.sha256(path.read_bytes()).hexdigest())
        with torch.inference_mode():
            assert torch.equal(loaded(x), network(x)), name


def test_a_graph_with_sizes_that_vary_is_taken(tmp_path) -> None:
    batch = torch.export.Dim("batch", min=1, max=8)
    with torch.no_grad():
        program = torch.export.export(Small().eval(), (torch.zeros(2, 3, 64, 64),), dynamic_shapes={"x": {0: batch}})
    torch.export.save(program, tmp_path / "m.pt2")
    data = (tmp_path / "m.pt2").read_bytes()
    assert b"expr_str" in data
    network = load_graph(tmp_path / "m.pt2", "export", hashlib.sha256(data).hexdigest())
    assert network(torch.zeros(3, 3, 64, 64)).shape[0] == 3


@pytest.mark.parametrize("kind", ["script", "program"])
def test_flipped_bits_are_errors_of_the_model_or_change_nothing_else(tmp_path, kind) -> None:
    good = scripted() if kind == "script" else exported()
    for seed in range(8):
        path = tmp_path / f"{seed}{'.pt' if kind == 'script' else '.pt2'}"
        path.write_bytes(flipped(good, seed))
        try:
            load_graph(path, KINDS[path.suffix], hashlib.sha256(path.read_bytes()).hexdigest())
        except ModelError as error:
            assert error.subject == str(path)


def test_a_file_that_changes_under_the_run_is_not_loaded(tmp_path) -> None:
    model = load_model(save_network(tmp_path / "m.pt", BandNetwork()))
    save_network(tmp_path / "m.pt", BlurNetwork())
    with pytest.raises(ModelError, match="was changed while geoseg ran"):
        build_network(model)


def test_a_card_that_gives_another_hash_is_refused_before_the_file_is_parsed(tmp_path) -> None:
    path = tmp_path / "m.pt"
    save_network(path, BandNetwork())
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**card, "sha256": "0" * 64}))
    path.write_bytes(b"whatever")
    with pytest.raises(ModelError, match=r"SHA-256 is \w{64}, expected 0000"):
        load_model(path)


def test_the_trial_takes_the_networks_of_the_tests(tmp_path) -> None:
    model = load_model(save_network(tmp_path / "m.pt", BlurNetwork()))
    try_model(model, Limits())
    with torch.inference_mode():
        x = torch.rand(1, 3, 64, 64)
        assert torch.equal(build_network(model)(x), BlurNetwork().eval()(x))


def test_a_graph_for_other_bands_is_told_where_it_is_used(tmp_path) -> None:
    """The trial looks for harm, not for a card that does not fit."""
    model = load_model(save_network(tmp_path / "m.pt", BlurNetwork()))
    wrong = replace(model, card=replace(model.card, bands=("red",), mean=(0.0,), std=(1.0,)))
    try_model(wrong, Limits())
    with pytest.raises(RuntimeError, match="channels"):
        build_network(wrong)(torch.zeros(1, 1, 64, 64))


def test_torchscript_hidden_in_weights_is_no_state_dict(tmp_path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(3)}, buffer)
    from hostile_models import edited

    (tmp_path / "m.pt").write_bytes(edited(buffer.getvalue(), {}, {"constants.pkl": b"\x80\x02."}))
    card = load_model(save_network(tmp_path / "other.pt", BandNetwork())).card
    (tmp_path / "m.json").write_text(json.dumps(card.to_json()))
    assert set(load_model(tmp_path / "m.pt").state) == {"w"}

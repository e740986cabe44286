"""A score beside the classes on its way: network, blending, blocks, buildings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import untrained
from runs import photo
from support import write_sheet

from geoseg.errors import ModelError, UsageError
from geoseg.models.card import Card
from geoseg.models.ensemble import ensemble_of
from geoseg.models.files import load_model, save_model
from geoseg.models.load import build_network
from geoseg.networks import make_network
from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.plan import plan_blocks
from geoseg.predict.blend import Strip
from geoseg.predict.cuda import DeviceStrip
from geoseg.predict.wrap import Wrapped
from geoseg.runfolder.blocks import BlockReader
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """(with contact, the same without)."""
    folder = tmp_path_factory.mktemp("aux")
    plain = untrained(folder / "plain.safetensors", "unet_mobilenet_v2", width=16)
    model = load_model(plain)
    torch.manual_seed(2)
    card = Card.from_json({**model.card.to_json(), "aux": ["contact"]}, plain)
    network = make_network(card.architecture, **card.network)
    state = {**network.state_dict(), **model.state}
    state["aux_head.score.weight"] = state["aux_head.score.weight"] * 20
    save_model(folder / "contact.safetensors", state, card)
    return folder / "contact.safetensors", plain


def computed(sheets, run, model, block: int) -> tuple[np.ndarray, ...]:
    """Class, confidence and contact of the whole."""
    tile(sheets, run, TileOptions(block_size=block))
    infer(run, InferOptions(model=(model,), engine="torch", precision="f32", device="cpu"))
    one = Run(run)
    reader = BlockReader(one.blocks, one.plan, plan_blocks(one.plan))
    return (*reader.read(one.plan.extent), reader.beside(one.plan.extent, "contact"))


def test_classes_keep_their_bits_and_blocks_do_not_show(networks, tmp_path) -> None:
    with_contact, plain = networks
    sheets = [write_sheet(tmp_path / "photo.tif", photo(300, 340))]
    classes, confidence, contact = computed(sheets, tmp_path / "a", with_contact, 256)
    again = computed(sheets, tmp_path / "b", with_contact, 96)
    alone = computed(sheets, tmp_path / "c", plain, 256)
    assert np.array_equal(classes, alone[0])
    assert np.array_equal(confidence, alone[1])
    assert (alone[2] == 255).all()  # a block without the band
    assert np.array_equal(contact, again[2])
    assert ((contact == 255) == (classes == 255)).all()
    assert contact[classes != 255].max() > contact[classes != 255].min()
    assert Run(tmp_path / "a").aux == ("contact",)
    assert Run(tmp_path / "c").aux == ()
    mosaic(tmp_path / "a", MosaicOptions(name="town"))
    assert "cut" in Run(tmp_path / "a").layer("buildings")


def test_contact_is_the_sigmoid_of_what_the_network_says() -> None:
    rng = np.random.default_rng(0)
    strip = Strip((0, 1), np.ones(8, np.float32), 0, 8, 1.0, aux=1)
    scores = rng.normal(0, 6, (3, 8, 8)).astype(np.float32)
    scores[2, 0, :2] = -200, 200
    strip.add(scores, 0)
    good = np.ones((8, 8), bool)
    good[3, 3] = False
    found = strip.beside(good)[0]
    true = np.floor(100 / (1 + np.exp(-scores[2].astype(float))) + 0.5)
    assert (found[3, 3], found[0, 0], found[0, 1]) == (255, 0, 100)
    assert np.abs(found.astype(int) - true)[good].max() <= 1
    assert (found == true)[good].mean() > 0.95
    classes, _ = strip.finish(good)
    assert (classes[good] == scores[:2].argmax(0)[good]).all()
    assert not strip.sums.any()
    device = DeviceStrip((0, 1), torch.ones(8), 0, 8, 1.0, aux=1)
    device.add(torch.from_numpy(scores), 0)
    there = device.beside(good)[0]
    assert np.abs(there.astype(int) - found.astype(int)).max() <= 1
    assert np.array_equal(device.finish(good)[0], classes)


def test_an_ensemble_takes_contact_from_those_that_have_it(networks) -> None:
    models = [load_model(p) for p in networks[::-1]]
    ensemble = ensemble_of(models)
    assert (ensemble.aux, ensemble.scores) == (("contact",), 7)
    parts = [build_network(m) for m in models]
    side = models[0].card.patch
    both = Wrapped(parts, [False] * 2, [1.0] * 2, side, classes=6, aux=[m.card.aux for m in models]).eval()
    alone = Wrapped(parts[1:], [False], [1.0], side, classes=6, aux=[("contact",)]).eval()
    x = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        assert torch.equal(both(x)[:, 6:], alone(x)[:, 6:])


def test_others_say_that_they_have_no_such_score(networks) -> None:
    with pytest.raises(UsageError, match="has no scores beside its classes.*unet_mobilenet_v2"):
        make_network("unet_s", 3, 6, aux_scores=1)
    card = load_model(networks[0]).card
    with pytest.raises(ModelError, match="aux .*walls.*expected some of contact"):
        Card.from_json({**card.to_json(), "aux": ["walls"]}, "card")

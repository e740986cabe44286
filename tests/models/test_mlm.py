"""Cards out of STAC items of the machine-learning model extension."""

from __future__ import annotations

import json

import pytest

from geoseg.classes import ISPRS
from geoseg.errors import ModelError
from geoseg.gis.model_card import mlm_item
from geoseg.models.card import Card
from geoseg.models.files import load_model, read_card, shipped_model
from geoseg.models.mlm import mlm_card


def an_item(change: dict | None = None, scaling: list | None = None) -> dict:
    """An item as other tools write it: Sentinel-like bands with common names, values of 0 to 1."""
    properties = {
        "mlm:name": "fields",
        "mlm:architecture": "U-Net",
        "gsd": 0.2,
        "bands": [{"name": "B04", "eo:common_name": "red"}, {"name": "B8A", "eo:common_name": "nir08"}],
        "mlm:input": [
            {
                "name": "image",
                "bands": ["B04", {"name": "B8A"}],
                "input": {
                    "shape": [-1, 2, 256, 256],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": scaling,
            }
        ],
        "mlm:output": [
            {
                "name": "scores",
                "classification:classes": [
                    {"value": 0, "name": "rest"},
                    {"value": 7, "name": "building", "color_hint": "FF0080"},
                ],
            }
        ],
        **(change or {}),
    }
    return {"type": "Feature", "stac_version": "1.1.0", "properties": properties}


def test_an_item_of_ours_gives_back_its_card() -> None:
    card = load_model(shipped_model()).card
    assert mlm_card(json.loads(json.dumps(mlm_item(card, "0" * 64, "a", "2026-01-01T00:00:00Z"))), "item") == card


def test_an_item_of_others() -> None:
    card = mlm_card(an_item(scaling=[{"type": "z-score", "mean": 0.5, "stddev": 0.2}]), "item")
    assert card.bands == ("red", "nir")
    assert card.mean == (127.5, 127.5)
    assert card.std == pytest.approx((51, 51))
    assert (card.gsd, card.patch, card.overlap) == (0.2, 256, 64)
    assert [(c.value, c.name, c.colour, c.role) for c in card.classes.classes] == [
        (0, "rest", ISPRS.classes[0].colour, "other"),
        (7, "building", (255, 0, 128), "building"),
    ]


@pytest.mark.parametrize(
    ("scaling", "mean", "std"),
    [
        (None, (0, 0), (1, 1)),
        ([{"type": "min-max", "minimum": 0, "maximum": 255}], (0, 0), (255, 255)),
        ([{"type": "scale", "value": 255}], (0, 0), (255, 255)),
        ([{"mean": 100, "stddev": 50}, {"mean": 90, "stddev": 40}], (100, 90), (50, 40)),
    ],
)
def test_scaling(scaling, mean, std) -> None:
    card = mlm_card(an_item(scaling=scaling), "item")
    assert (card.mean, card.std) == (mean, std)


def _with_input(**change: object) -> dict:
    """An item whose input array is another one."""
    item = an_item()
    item["properties"]["mlm:input"][0]["input"] |= change
    return item


def test_pixels_of_16_bits() -> None:
    item = _with_input(data_type="uint16")
    item["properties"]["mlm:input"][0]["value_scaling"] = [{"type": "z-score", "mean": 1200, "stddev": 600}]
    card = mlm_card(item, "item")
    assert (card.dtype, card.mean, card.std) == ("uint16", (1200, 1200), (600, 600))


@pytest.mark.parametrize(
    ("shape", "message"),
    [([-1, 2, 256, 512], "256 rows and 512 columns"), ([-1, 2, 1e999, 1e999], "lacks or misspells")],
)
def test_odd_shapes_are_refused(shape, message) -> None:
    with pytest.raises(ModelError, match=message):
        mlm_card(_with_input(shape=shape), "item")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gsd": None}, "does not say the GSD"),
        ({"mlm:input": []}, "mlm:input has 0 entries"),
        ({"mlm:output": [{"name": "scores"}]}, "classification_classes"),
    ],
)
def test_what_an_item_lacks_is_said(change, message) -> None:
    with pytest.raises(ModelError, match=message):
        mlm_card(an_item(change), "item")


def test_unknown_scaling_is_refused() -> None:
    with pytest.raises(ModelError, match="'clip-max'"):
        mlm_card(an_item(scaling=[{"type": "clip-max", "maximum": 3}]), "item")


def test_a_card_or_an_item_as_a_file(tmp_path) -> None:
    (tmp_path / "item.json").write_text(json.dumps(an_item()))
    assert isinstance(read_card(tmp_path / "item.json"), Card)

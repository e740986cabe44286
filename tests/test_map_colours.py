"""The colours of maps: told apart by lightness, by eyes that do not tell red from green, and never like label files."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from geoseg.classes import ISPRS, ClassTable, LandClass
from geoseg.colours import darker, lighter, of_role
from geoseg.errors import ModelError
from geoseg.gis.styles import raster_aux_xml, raster_qml

COLOURS = {c.name: np.array(c.drawn) / 255 for c in ISPRS.classes}
PAIRS = list(combinations(COLOURS, 2))

EYES = {
    "all cones": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""What is left of a linear colour without one kind of cones (Machado et al. 2009, table 1)."""


def _linear(colour: np.ndarray) -> np.ndarray:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of a linear sRGB colour."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = to_xyz @ np.clip(linear, 0, 1) / [0.9505, 1.0, 1.089]
    f = [v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("pair", PAIRS)
def test_any_eye_tells_two_classes_apart(eye: str, pair: tuple[str, str]) -> None:
    one, other = (_lab(EYES[eye] @ _linear(COLOURS[name])) for name in pair)
    assert np.linalg.norm(one - other) > 20


@pytest.mark.parametrize("pair", PAIRS)
def test_a_grey_print_tells_two_classes_apart(pair: tuple[str, str]) -> None:
    one, other = (_lab(_linear(COLOURS[name]))[0] for name in pair)
    assert abs(one - other) > 7


def test_paved_ground_is_not_paper_white_and_nothing_is_blue_like_water() -> None:
    assert max(COLOURS["impervious surface"]) < 0.9
    for red, green, blue in COLOURS.values():
        assert not (blue > 1.2 * green and blue > 1.6 * red and blue > 0.45)


def test_label_files_keep_the_colours_of_the_benchmark_and_maps_have_their_own() -> None:
    assert [c.colour for c in ISPRS.classes][:2] == [(255, 255, 255), (0, 0, 255)]
    drawn = raster_qml(ISPRS) + raster_aux_xml(ISPRS, {})
    for c in ISPRS.classes:
        assert "#{:02x}{:02x}{:02x}".format(*c.colour) not in drawn
        assert c.hex in drawn


def test_a_table_keeps_both_colours_and_one_colour_is_both() -> None:
    again = ClassTable.from_json(ISPRS.to_json())
    assert [(c.colour, c.map_colour) for c in again.classes] == [(c.colour, c.map_colour) for c in ISPRS.classes]
    rows = [{k: v for k, v in row.items() if k != "map"} for row in ISPRS.to_json()]
    plain = ClassTable.from_json(rows)
    assert plain == ISPRS  # colours of maps make no other classes
    assert [c.drawn for c in plain.classes] == [c.colour for c in ISPRS.classes]
    assert plain.to_json() == rows


def test_a_wrong_colour_of_maps_is_refused() -> None:
    with pytest.raises(ModelError, match=r"roof: colour \(1, 2\), expected three of 0 to 255"):
        LandClass(0, "roof", (1, 2, 3), "building", (1, 2))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no whole number"):
        ClassTable.from_json([{"value": 0, "name": "a", "colour": [1, 2, 3], "role": "other", "map": [1.5, 2, 3]}])


def test_shades_stay_colours_and_follow_the_class() -> None:
    assert darker((200, 100, 0), 0.5) == (100, 50, 0)
    assert lighter((200, 100, 0), 1.0) == (255, 255, 255)
    assert of_role(ISPRS, "building") == ISPRS.by_value(1).drawn
    assert of_role(ClassTable((LandClass(0, "a", (1, 2, 3), "other"),)), "tree") == (120, 120, 120)

"""The feature layers: one row each."""

from __future__ import annotations

from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.classes import ISPRS
from geoseg.layers import GROUPS, LAYERS, ROLES, columns, makes_any, role_of_name, tables


@pytest.mark.parametrize("name", GROUPS)
def test_each_layer_has_a_maker_and_tables(name) -> None:
    layer = LAYERS[name]
    module, _, function = layer.maker.partition(":")
    assert callable(getattr(import_module(f"geoseg.stages.features.{module}"), function))
    assert layer.tables
    assert layer.role in ("", *ROLES)
    assert (layer.facts is None) == (layer.role == "")


def test_tables_have_names_of_their_own_and_levels_that_differ() -> None:
    every = [t for layer in LAYERS.values() for t in layer.tables]
    assert len(tables()) == len(every)
    assert len({t.level for t in every}) == len(every)
    assert all(t.geometry in ("Polygon", "LineString", "Point") for t in every)


def test_a_column_has_one_type_wherever_it_occurs() -> None:
    for layer in LAYERS.values():
        for name, kind in layer.columns.items():
            assert columns()[name] is kind
            assert kind in (int, float, bool)


def test_every_role_has_a_layer_or_is_known_to_have_none() -> None:
    assert set(ROLES) - {layer.role for layer in LAYERS.values()} == {"ground", "other"}
    assert all(r.min_area > 0 and 0 <= r.alpha <= 255 for r in ROLES.values())


def test_the_roles_of_the_built_in_table_are_what_its_names_suggest() -> None:
    assert {c.name: role_of_name(c.name) for c in ISPRS.classes} == {c.name: c.role for c in ISPRS.classes}


@pytest.mark.parametrize(
    ("name", "role"), [("Houses", "building"), ("ROAD surface", "road"), ("lake", "other"), ("", "other")]
)
def test_a_role_is_told_from_words_of_a_name(name, role) -> None:
    assert role_of_name(name) == role


@given(st.sets(st.sampled_from([*ROLES])), st.sets(st.sampled_from(GROUPS), min_size=1))
def test_layers_can_be_made_of_classes_that_have_their_role(roles, groups) -> None:
    expected = any(LAYERS[g].role == "" or LAYERS[g].role in roles for g in groups)
    assert makes_any(roles, groups) == expected

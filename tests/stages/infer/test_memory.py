"""How wide a panel may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import a_card, a_plan

from geoseg.errors import UsageError
from geoseg.geometry.lattice import Lattice
from geoseg.models.ensemble import Ensemble
from geoseg.models.files import ModelFile
from geoseg.options import InferOptions
from geoseg.stages.infer.memory import resident, widest_panel

LATTICE = Lattice(512, 256, 64)
PLAN = a_plan(block=1024)


def _widest(ram: int | None, **options: object) -> int:
    ensemble = Ensemble((_model(),))
    return widest_panel(PLAN, LATTICE, ensemble, InferOptions(max_ram=ram, **options))


def _model() -> ModelFile:
    model = object.__new__(ModelFile)
    object.__setattr__(model, "card", a_card())
    return model


@given(st.integers(0, 20 << 30), st.integers(0, 20 << 30))
def test_more_memory_makes_no_panel_narrower(one, other) -> None:
    less, more = sorted((resident() + (2 << 30) + one, resident() + (2 << 30) + other))
    assert 1 <= _widest(less) <= _widest(more) <= 32


def test_shares_take_memory_too() -> None:
    ram = resident() + (2 << 30)
    assert _widest(ram, probabilities=True) <= _widest(ram)


@pytest.mark.parametrize("more", [{"readers": 8}, {"readers": 8, "probabilities": True}])
def test_readers_take_memory_too(more) -> None:
    ram = resident() + (2 << 30)
    assert _widest(ram, **more) < _widest(ram, **{**more, "readers": 1})


def test_scores_beside_the_classes_take_memory_too(monkeypatch) -> None:
    ram = resident() + (800 << 20)
    without = _widest(ram)
    monkeypatch.setattr(Ensemble, "aux", property(lambda ensemble: ("contact",) * 3))
    assert _widest(ram) < without


def test_too_little_for_one_block_says_how_much_is_needed() -> None:
    with pytest.raises(UsageError, match=r"100 MiB, but one block needs about \d+ MiB") as caught:
        _widest(100 << 20)
    need = int(caught.value.what.split("about ")[1].split(" ")[0])
    assert _widest((need + 1) << 20) == 1

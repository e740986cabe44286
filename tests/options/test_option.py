"""Each option stands under a heading, and every value of options can be had from the room itself."""

from __future__ import annotations

import pytest

from geoseg import options
from geoseg.options import HELP_GROUPS, STAGES, ChangesOptions, EvaluateOptions, known

EVERY = [(kind, name) for kind in (*STAGES.values(), EvaluateOptions, ChangesOptions) for name in known(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=lambda v: getattr(v, "__name__", v))
def test_an_option_stands_under_a_heading(kind, name) -> None:
    assert known(kind)[name].group in HELP_GROUPS


def test_the_room_names_all_its_values() -> None:
    assert all(hasattr(options, name) for name in options.__all__)
    assert {kind.__name__ for kind in STAGES.values()} <= set(options.__all__)

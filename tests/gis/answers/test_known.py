"""What answers tell of places of a new map."""

from __future__ import annotations

import pytest

from geoseg.gis.answers.known import Known

CASES = [
    (("tree", "ok", ""), "tree", ("ok", "")),
    (("tree", "ok", ""), "car", ("should_be", "tree")),
    (("tree", "wrong", ""), "tree", ("wrong", "")),
    (("tree", "wrong", ""), "car", ("", "")),
    (("tree", "", "car"), "car", ("ok", "")),
    (("tree", "rong", ""), "tree", ("", "")),
    (("tree", "should_be", ""), "tree", ("", "")),
]


@pytest.mark.parametrize(("said", "now", "expected"), CASES)
def test_only_what_was_said_is_known(said: tuple[str, str, str], now: str, expected: tuple[str, str]) -> None:
    assert Known(random={"a": said}).verdict("a", now) == expected
    assert Known().verdict("a", now) == ("", "")

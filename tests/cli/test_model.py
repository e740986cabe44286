"""geoseg model."""

from __future__ import annotations

import json


def test_model_info_prints_the_card(geoseg):
    code, out, _ = geoseg("model", "info")
    assert code == 0
    assert "not good for" in out
    assert json.loads(geoseg("model", "info", "--json")[1])["margin"] == 192

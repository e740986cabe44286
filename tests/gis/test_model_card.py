"""Model cards for people and catalogues."""

from __future__ import annotations

import json
from pathlib import Path


def test_cards_for_people_and_catalogues(tmp_path: Path, geoseg) -> None:
    code, out, _ = geoseg("model", "card")
    assert code == 0
    for heading in ("## Input", "## Classes", "## Training", "## Scores", "## Licence"):
        assert heading in out
    code, out, _ = geoseg("model", "card", "--stac")
    item = json.loads(out)
    assert item["stac_version"] == "1.1.0"
    properties = item["properties"]
    for key in ("mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"):
        assert properties[key]
    assert properties["mlm:input"][0]["input"]["shape"][1] == 3
    assert item["assets"]["weights"]["roles"][0] == "mlm:model"

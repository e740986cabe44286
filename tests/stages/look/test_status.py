"""geoseg status."""

from __future__ import annotations

import json


def test_status_misses_a_deleted_output_and_names_the_last_night(town, geoseg) -> None:
    _, run, night = town
    night(date="2026-01-01")
    state = json.loads(geoseg("status", run, "--json")[1])
    assert state["finished"]
    assert state["latest"].endswith("2026-01-01")
    (run / "out/town_classes.tif").unlink()
    state = json.loads(geoseg("status", run, "--json")[1])
    assert not state["finished"]
    assert state["next"] == f"geoseg mosaic {run}"

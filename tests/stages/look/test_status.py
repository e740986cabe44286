"""geoseg status."""

from __future__ import annotations

import json

from geoseg.progress import Moment, unheard
from geoseg.runfolder.at_work import watched_by_status
from geoseg.runfolder.folder import Run


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


def test_status_says_who_is_at_work_and_how_far(town, geoseg) -> None:
    _, folder, night = town
    night()
    run = Run(folder)
    assert json.loads(geoseg("status", run.folder, "--json")[1])["at_work"] == []
    with run.lock(), watched_by_status(run, "mosaic", "plan", unheard) as hear:
        hear(Moment("feature layers", 4, 6, 0, 8, "sectors"))
        out = geoseg("status", run.folder)[1]
        assert "at work       mosaic [4/6] feature layers 0 % (0 of 8 sectors" in out
        assert "wait until it is done" in out
        (one,) = json.loads(geoseg("status", run.folder, "--json")[1])["at_work"]
        assert one["moment"]["step"] == "feature layers"
    assert "at work" not in geoseg("status", run.folder)[1]

"""Nights are published, kept and pruned."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import zipfile
from pathlib import Path

import pytest
from runs import town_sheet

from geoseg.errors import UsageError
from geoseg.night.publish import nights, prune, publish
from geoseg.options import MosaicOptions
from geoseg.runfolder.folder import Run


def test_what_a_killed_publish_or_prune_leaves_is_no_night(town) -> None:
    _, run, night = town
    night(date="2026-01-01")
    for name in (".abc.night", ".def.gone"):
        shutil.copytree(run / "out/2026-01-01", run / "out" / name)
    assert [n.date for n in nights(Run(run))] == ["2026-01-01"]
    assert publish(Run(run), "2026-01-01").name == "2026-01-01"
    assert not list((run / "out").glob(".*"))


def test_a_date_can_be_published_again_after_its_first_night_was_pruned(town) -> None:
    sheets, run, night = town
    for seed in range(3):
        town_sheet(sheets, 0, 0, 60 + seed)
        night(date="2026-01-01")
    assert [p.name for p in prune(Run(run), 1, 0)] == ["2026-01-01"]
    town_sheet(sheets, 0, 0, 70)
    assert night(date="2026-01-01").published.name == "2026-01-01.4"


def test_readers_of_latest_see_one_night_whole(town) -> None:
    """While nights are published one after the other, every look through `latest` finds the files of one night."""
    sheets, run, night = town
    night(date="2026-01-01")
    stop, wrong, looks = threading.Event(), [], [0]

    def read() -> None:
        while not stop.is_set():
            folder = (run / "out" / "latest").resolve()
            facts = json.loads((folder / "night.json").read_text())
            missing = [n for n in facts["files"] if not (folder / Path(n).relative_to("out")).exists()]
            looks[0] += 1
            if missing:
                wrong.append(missing)

    reader = threading.Thread(target=read)
    reader.start()
    for day in range(2, 6):
        town_sheet(sheets, 0, 0, day)
        night(date=f"2026-01-0{day}")
    stop.set()
    reader.join()
    assert looks[0] > 10
    assert not wrong
    assert [n.date for n in nights(Run(run))] == [f"2026-01-0{d}" for d in range(1, 6)]
    assert (run / "out/latest/town_classes.tif").read_bytes() == (run / "out/town_classes.tif").read_bytes()
    assert (run / "out/2026-01-01/town_classes.tif").read_bytes() != (run / "out/town_classes.tif").read_bytes()


def test_a_night_done_again_with_other_results_stays_beside_the_first(town) -> None:
    sheets, run, night = town
    first = night(date="2026-01-01").published
    assert night(date="2026-01-01").published == first
    town_sheet(sheets, 0, 0, 50)
    second = night(date="2026-01-01").published
    assert second.name == "2026-01-01.2"
    assert (run / "out/latest").resolve() == second.resolve()


def test_prune_never_takes_latest_its_predecessor_or_what_is_young(town) -> None:
    sheets, run, night = town
    for day in range(1, 6):
        town_sheet(sheets, 0, 0, day)
        night(date=f"2026-01-0{day}")
    assert prune(Run(run), 1, 3600) == []
    assert [p.name for p in prune(Run(run), 1, 0, dry_run=True)] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert len(nights(Run(run))) == 5
    (run / "out/latest").unlink()
    (run / "out/latest").symlink_to("2026-01-02")  # an operator went back
    assert [p.name for p in prune(Run(run), 1, 0)] == ["2026-01-03", "2026-01-04"]
    assert [n.date for n in nights(Run(run))] == ["2026-01-01", "2026-01-02", "2026-01-05"]
    with pytest.raises(UsageError):
        prune(Run(run), 0, 0)
    publish(Run(run), "2026-01-06")
    assert (run / "out/latest").resolve().name == "2026-01-06"


def test_projects_of_a_run_and_of_its_nights_find_the_photos_in_a_folder_that_was_moved(town, tmp_path) -> None:
    sheets, run, night = town
    night(date="2026-01-01", mosaic=MosaicOptions(name="town", layers=("landcover",), sheet_rasters=False))
    there = tmp_path / "moved"
    there.mkdir()
    for folder in (sheets, run):
        shutil.move(folder, there / folder.name)
    for folder in ("out", "out/2026-01-01", "out/latest"):
        place = there / "run" / folder
        with zipfile.ZipFile(place / "town.qgz") as archive:
            sources = re.findall("<datasource>([^<|]*)", archive.read("town.qgs").decode())
        assert len(sources) == 9
        assert all(
            (place / source).resolve().is_relative_to(there) and (place / source).is_file() for source in sources
        )
    night = there / "run/out/2026-01-01"
    (asset,) = [a for a in json.loads((night / "town.stac.json").read_text())["assets"].values() if "qgz" in a["href"]]
    data = (night / "town.qgz").read_bytes()
    assert (asset["file:size"], asset["file:checksum"]) == (len(data), "1220" + hashlib.sha256(data).hexdigest())


def test_the_report_of_a_night_leads_to_no_map_that_is_not_published(finished_copy) -> None:
    run = Run(finished_copy[0])
    folder = publish(run, "2026-01-01")
    own, of_night = ((place / "report.html").read_text("utf-8") for place in (run.out, folder))
    assert set(re.findall(r'href="map\.html[^"]*&amp;run=([0-9a-f]{12})"', own)) == {run.finished["key"][:12]}
    assert "map.html" not in of_night
    assert "view RUN --web" not in of_night
    assert of_night.count("<figcaption>") == own.count("<figcaption>") > 0

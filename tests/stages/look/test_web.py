"""The web map of a run: what its tiles show, what its page says, and what a browser does with it."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from browser import CHROMIUM, Page, chromium
from PIL import Image
from pyproj import Transformer

from geoseg.errors import UsageError
from geoseg.gis.web_map.archive import tile_of
from geoseg.gis.web_map.mercator import TILE, WORLD, Placement
from geoseg.runfolder.folder import Run
from geoseg.runfolder.plan_file import read_plan, write_plan
from geoseg.stages.look.serve import server_of
from geoseg.stages.look.web import WebMap, fresh_map, web_map

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of the finished run as a folder."""
    place = tmp_path_factory.mktemp("web") / "map"
    made = web_map(finished[0], place)
    assert made.page == place / "index.html"
    assert made.notes == ()
    return place


@pytest.fixture(scope="module")
def one(finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as one page."""
    return web_map(finished[0], tmp_path_factory.mktemp("web") / "one.html").page


def _facts(page: Path) -> dict:
    found = re.search(r'id="facts-of-the-map">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found
    return dict(json.loads(found[1]))


def test_the_class_tiles_show_the_class_raster(finished, folder: Path) -> None:
    run = Run(finished[0])
    place = Placement.of(run.plan.grid, run.plan.extent)
    last = place.zooms(run.plan.extent)[1]
    colours = {c["colour"]: c["name"] for c in _facts(folder / "index.html")["classes"]}
    names = {c.value: c.name for c in run.table.classes}
    rng, back = np.random.default_rng(1), Transformer.from_crs(3857, run.plan.grid.crs, always_xy=True)
    with rasterio.open(run.classes) as dataset:
        truth, transform = dataset.read(1), dataset.transform
    right, wrong = 0, 0
    for row, col in zip(rng.integers(0, truth.shape[0], 300), rng.integers(0, truth.shape[1], 300), strict=True):
        x, y = place.xy(np.array([transform @ (col + 0.5, row + 0.5)]))[0]
        across, down = (x + WORLD / 2) / WORLD * 2**last, (WORLD / 2 - y) / WORLD * 2**last
        data = tile_of(folder / "classes.pmtiles", last, int(across), int(down))
        if truth[row, col] == 255:
            continue
        centre = [(np.floor(v * TILE) + 0.5) / TILE / 2**last * WORLD for v in (across, down)]
        column, line = (int(v) for v in ~transform @ back.transform(centre[0] - WORLD / 2, WORLD / 2 - centre[1]))
        assert data is not None
        pixel = Image.open(io.BytesIO(data)).convert("RGBA").getpixel((int(across % 1 * TILE), int(down % 1 * TILE)))
        assert pixel[3] == 255
        same = colours["#{:02x}{:02x}{:02x}".format(*pixel)] == names[truth[line, column]]
        right, wrong = right + same, wrong + (not same)
    assert right > 200
    assert wrong <= 0.03 * right  # GDAL's own warping is off by up to an eighth of a pixel


def test_the_page_says_what_the_run_is_and_every_table_is_there(finished, folder: Path) -> None:
    run, facts = Run(finished[0]), _facts(folder / "index.html")
    assert [p["id"] for p in facts["pictures"]] == ["photo", "landcover", "classes", "confidence"]
    counts = {o["id"]: o["count"] for o in facts["objects"]}
    assert counts == {n: k for n, k in run.finished["features"].items() if k and n != "landcover"}
    assert dict(facts["facts"])["Run"] == run.finished["key"][:12]
    assert {p.name for p in folder.glob("*.pmtiles")} == {one["file"] for one in facts["pictures"] + facts["objects"]}
    assert "BSD" in (folder / "LICENSES.txt").read_text() or "Redistribution" in (folder / "LICENSES.txt").read_text()
    assert fresh_map(run, folder) is not None


def test_names_of_classes_and_attributes_are_text_and_the_page_runs_nothing_else(finished, folder: Path) -> None:
    page, script = (folder / "index.html").read_text(), (folder / "map.js").read_text()
    assert "default-src 'none'" in page
    assert "unsafe" not in page
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "setHTML", "document.write", "eval(", "new Function"):
        assert word not in script
    data = re.search(r'id="facts-of-the-map">(.*?)</script>', page)
    assert data
    assert "<" not in data[1]


def test_a_small_run_is_one_page(finished, one: Path) -> None:
    assert one.stat().st_size < 30_000_000
    assert fresh_map(Run(finished[0]), one) == WebMap(one, None)
    assert [p.name for p in one.parent.iterdir()] == [one.name]


def test_a_large_run_is_a_folder_beside_a_page_that_leads_there(finished, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/map.json").write_text("{}")  # an earlier map, which goes
    large = web_map(Run(finished[0]), tmp_path / "b.html", most=1_000_000)
    assert large.folder == tmp_path / "b"
    assert "b/index.html" in (tmp_path / "b.html").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "b.html"]
    assert (large.folder / "photo.pmtiles").is_file()


def test_what_is_no_map_is_never_replaced(finished, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/letter.txt").write_text("dear")
    for place, what in ((tmp_path / "own", "no web map"), (tmp_path / "own.html", "no web map")):
        with pytest.raises(UsageError, match=what):
            web_map(finished[0], place)
    with pytest.raises(UsageError, match="is a file"):
        web_map(finished[0], tmp_path / "own/letter.txt")
    assert (tmp_path / "own/letter.txt").read_text() == "dear"


def test_without_its_photo_a_run_has_a_map_that_says_so(finished_copy, tmp_path: Path) -> None:
    run, _ = finished_copy
    plan = read_plan(run / "plan.json")
    moved = tuple(replace(s, path=str(tmp_path / "gone" / Path(s.path).name)) for s in plan.sheets)
    write_plan(run / "plan.json", replace(plan, sheets=moved))
    made = web_map(run, tmp_path / "map")
    assert len(made.notes) == 1
    assert "There is no photo" in made.notes[0]
    facts = _facts(tmp_path / "map/index.html")
    assert [p["id"] for p in facts["pictures"] if p["shown"]] == ["landcover"]
    assert "There is no photo" in facts["notes"][0]


# --- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One browser for all tests."""
    with chromium(1024, 768) as page:
        yield page


def _differs(one: np.ndarray, other: np.ndarray) -> float:
    """Share of pixels that differ."""
    return float((np.abs(one.astype(int) - other).max(-1) > 12).mean())


@needs_chromium
def test_a_browser_shows_the_page_from_the_disk(one: Path, browser: Page) -> None:
    browser.asked.clear()
    browser.open(one.as_uri())
    browser.ready()
    assert browser.errors == []
    assert [a for a in browser.asked if not a.startswith(("data:", "blob:"))] == [one.as_uri()]
    middle = browser.look()[200:600, 400:900]
    assert len(np.unique(middle.reshape(-1, 3), axis=0)) > 2000  # a photo, no blank page


@needs_chromium
def test_a_map_in_the_browser_moves_switches_answers_and_remembers(finished, folder: Path, browser: Page) -> None:
    with server_of(finished[0], folder, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            _pan_and_zoom(browser, server.address)
            _switch(browser)
            _click(browser, server.address)
            _narrow(browser, server.address)
        finally:
            server.shutdown()
    assert browser.errors == []


BOX = "document.getElementById('panel').getBoundingClientRect()"
IDLE = "new Promise((d) => { map.once('idle', () => d(1)); map.triggerRepaint(); })"


def _pan_and_zoom(page: Page, address: str) -> None:
    page.size(1024, 768)
    page.open(address)
    page.ready()
    first, zoom = page.look(), page.run("map.getZoom()")
    page.drag((700, 400), (600, 330))
    page.run(IDLE)
    assert _differs(first, page.look()) > 0.05
    page.mouse("Wheel", 700, 400, deltaX=0, deltaY=-400)
    page.wait(f"map.getZoom() > {zoom} + 0.2 && !map.isMoving()")
    page.run("map.getCanvas().focus()")
    east = page.run("map.getCenter().lng")
    page.key("ArrowRight", "ArrowRight", 39)
    page.wait(f"map.getCenter().lng > {east} && !map.isMoving()")


def _switch(page: Page) -> None:
    page.run(IDLE)
    before = page.look()
    page.run("document.getElementById('show-classes').click()")
    page.run(IDLE)
    assert _differs(before, page.look()) > 0.1
    assert "show=" in page.run("location.hash")
    assert page.run("document.querySelectorAll('#legend .entry').length") == 6
    filled = page.run("map.queryRenderedFeatures({layers: ['buildings']}).length")
    page.run("(() => { const c = document.getElementById('confidence'); c.value = 100; c.oninput(); })()")
    page.wait("document.getElementById('least').textContent == '100 %'")
    page.run(IDLE)
    assert page.run("map.queryRenderedFeatures({layers: ['buildings']}).length") < filled


def _click(page: Page, address: str) -> None:
    page.open("about:blank")
    page.open(address)
    page.ready()
    x, y, name = page.run(
        "(() => { const f = map.queryRenderedFeatures({layers: ['buildings']})[0], c = f.geometry.coordinates.flat(9);"
        " const xs = c.filter((_, i) => i % 2 == 0), ys = c.filter((_, i) => i % 2);"
        " const p = map.project([(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2]);"
        " return [p.x, p.y, f.properties.id]; })()"
    )
    page.click(x, y)
    page.wait("document.getElementById('card').hidden === false && document.getElementById('ground').textContent")
    words = page.run("document.getElementById('card').innerText")
    assert "Area (m²)" in words
    assert "Class here: " in words
    assert "% sure" in words
    chosen = page.run("chosen.id")
    link = page.run("location.hash")
    assert f"pick={page.run('chosen.layer')}:{chosen}" in link
    page.key("Escape", "Escape", 27)
    assert page.run("document.getElementById('card').hidden")
    page.open("about:blank")
    page.open(f"{address}{link}")  # the link leads to the same place with the same thing chosen
    page.wait(f"chosen && chosen.id == {chosen!r}")
    assert page.run("document.getElementById('card').hidden") is False
    assert name


def _narrow(page: Page, address: str) -> None:
    page.size(390, 780)
    page.open("about:blank")
    page.open(address)
    page.ready()
    assert page.run("document.documentElement.scrollWidth") <= 390
    assert page.run("document.getElementById('panel').getBoundingClientRect().height") < 70  # folded
    page.run("document.getElementById('fold').click()")
    box = page.run(f"(({{left, right, bottom}}) => [left, right, bottom])({BOX})")
    assert box[0] >= 0
    assert box[1] <= 390
    assert box[2] <= 780
    page.size(1024, 768)


@needs_chromium
def test_a_folder_on_the_disk_says_that_it_needs_a_server(folder: Path, browser: Page) -> None:
    browser.open((folder / "index.html").as_uri())
    browser.wait("document.getElementById('stop').hidden === false")
    words = browser.run("document.getElementById('stop').innerText")
    assert "needs a server" in words
    assert "--serve" in words

"""The web map of a run: what its tiles show, what its page says, and what a browser does with it."""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from browser import CHROMIUM, Page, chromium
from PIL import Image
from pyproj import Transformer

from geoseg.errors import PlanError, UsageError
from geoseg.gis.web_map.archive import tile_of
from geoseg.gis.web_map.mercator import TILE, WORLD, Placement
from geoseg.gis.web_map.run_pixels import RunPixels
from geoseg.plan import plan_blocks
from geoseg.progress import Steps, unheard
from geoseg.runfolder.blocks import BlockReader
from geoseg.runfolder.folder import Run
from geoseg.runfolder.plan_file import read_plan, write_plan
from geoseg.stages.look import web
from geoseg.stages.look.serve import server_of
from geoseg.stages.look.web import WebMap, fresh_map, web_map
from geoseg.stages.look.web_tiles import STEPS, RunTiles, run_tiles

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def built(finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunTiles]:
    """The tiles of the finished run, made once: a folder, and what lies in it."""
    place = tmp_path_factory.mktemp("tiles")
    return place, run_tiles(Run(finished[0]), place, Steps(STEPS, unheard))


def _with_tiles(patch: pytest.MonkeyPatch, built: tuple[Path, RunTiles]) -> None:
    """Let maps take tiles that are there already."""

    def again(run: Run, made: Path, steps: Steps) -> RunTiles:
        shutil.copytree(built[0], made, dirs_exist_ok=True)
        return built[1]

    patch.setattr(web, "run_tiles", again)


@pytest.fixture
def tiled(built: tuple[Path, RunTiles], monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps of the finished run take the tiles that are there already."""
    _with_tiles(monkeypatch, built)


@pytest.fixture(scope="module")
def folder(finished, built: tuple[Path, RunTiles], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of the finished run as a folder."""
    place = tmp_path_factory.mktemp("web") / "map"
    with pytest.MonkeyPatch.context() as patch:
        _with_tiles(patch, built)
        made = web_map(finished[0], place)
    assert made.page == place / "index.html"
    assert made.notes == ()
    return place


@pytest.fixture(scope="module")
def one(finished, built: tuple[Path, RunTiles], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as one page."""
    with pytest.MonkeyPatch.context() as patch:
        _with_tiles(patch, built)
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


def test_a_large_run_is_a_folder_beside_a_page_that_leads_there(finished, tiled, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/map.json").write_text('{"form": 1, "files": []}')  # an earlier map, which goes
    large = web_map(Run(finished[0]), tmp_path / "b.html", most=1_000_000)
    assert large.folder == tmp_path / "b"
    assert "b/index.html" in (tmp_path / "b.html").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "b.html"]
    assert (large.folder / "photo.pmtiles").is_file()
    for page in (tmp_path / "b.html", large.page):
        assert f"--serve -o {tmp_path / 'b.html'}" in page.read_text()  # or it would be made once more, elsewhere


def test_a_fresh_page_is_found_beside_the_folder_of_an_earlier_map(finished, tiled, tmp_path: Path) -> None:
    run = Run(finished[0])
    folder = web_map(run, tmp_path / "x.html", most=1_000_000).folder
    assert folder is not None
    said = json.loads((folder / "map.json").read_text())
    (folder / "map.json").write_text(json.dumps({**said, "run": "an earlier one"}))
    assert fresh_map(run, tmp_path / "x.html") is None
    page = web_map(run, tmp_path / "x.html")
    assert page.folder is None
    assert fresh_map(run, tmp_path / "x.html") == page


def test_a_map_is_stale_when_people_have_edited_the_layers(finished_copy, tiled, tmp_path: Path) -> None:
    run = Run(finished_copy[0])
    for number, place in enumerate((tmp_path / "map", tmp_path / "page.html")):
        web_map(run, place)
        assert fresh_map(run, place) is not None
        with sqlite3.connect(run.feature_files[0]) as package:
            package.execute(f"CREATE TABLE mine_{number} (a)")
        package.close()
        assert fresh_map(run, place) is None


def test_a_map_that_lacks_a_file_is_not_served(finished, tiled, tmp_path: Path) -> None:
    web_map(finished[0], tmp_path / "map")
    (tmp_path / "map/photo.pmtiles").unlink()
    with pytest.raises(PlanError, match="photo.pmtiles.*make the map again"):
        server_of(finished[0], tmp_path / "map", 0)


def test_land_cover_that_was_drawn_without_a_class_is_left_out(finished, tmp_path: Path) -> None:
    run = Run(finished[0])
    plan = run.plan
    left, bottom, _, top = plan.grid.bounds(plan.extent)
    squares = shapely.box(left + np.arange(5), bottom, left + 60, top)
    rows = {"class_id": [2, None, 77, np.inf, 1]}
    frame = geopandas.GeoDataFrame(rows, geometry=[*squares[:4], None], crs=plan.grid.crs)
    package = tmp_path / "drawn.gpkg"
    frame.to_file(package, layer="landcover", driver="GPKG")
    place = Placement.of(plan.grid, plan.extent)
    reader = BlockReader(run.blocks, plan, plan_blocks(plan))
    pixels = RunPixels(place, plan.extent, reader, tuple(c.value for c in run.table.classes), None, package)
    shown = pixels.pictures(place.bounds(plan.extent), 256)["landcover"]
    assert set(np.unique(shown)) == {2, 255}


def test_what_is_no_map_is_never_replaced(finished, tiled, tmp_path: Path) -> None:
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
@pytest.mark.slow
def test_a_browser_shows_the_page_from_the_disk(one: Path, browser: Page) -> None:
    browser.asked.clear()
    browser.open(one.as_uri())
    browser.ready()
    assert browser.errors == []
    assert [a for a in browser.asked if not a.startswith(("data:", "blob:"))] == [one.as_uri()]
    middle = browser.look()[200:600, 400:900]
    assert len(np.unique(middle.reshape(-1, 3), axis=0)) > 2000  # a photo, no blank page


@needs_chromium
@pytest.mark.slow
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
@pytest.mark.slow
def test_a_link_of_an_older_report_is_told_from_one_of_this_run(finished, one: Path, browser: Page) -> None:
    for run, hidden in ((Run(finished[0]).finished["key"][:12], True), ("0123456789ab", False)):
        browser.open("about:blank")
        browser.open(f"{one.as_uri()}#show=photo&run={run}")
        browser.ready()
        assert browser.run("document.getElementById('other').hidden") is hidden
        assert ("0123456789ab" in browser.run("document.getElementById('panel').innerText")) is not hidden


@needs_chromium
@pytest.mark.slow
def test_a_folder_on_the_disk_says_that_it_needs_a_server(folder: Path, browser: Page) -> None:
    browser.open((folder / "index.html").as_uri())
    browser.wait("document.getElementById('stop').hidden === false")
    words = browser.run("document.getElementById('stop').innerText")
    assert "needs a server" in words
    assert "--serve" in words

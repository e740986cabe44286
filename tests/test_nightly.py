"""A run brought up to date night after night: what is computed again, what is published, what is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import PLACE, class_raster, moved, write_sheet

from geoseg import parse
from geoseg.errors import UsageError
from geoseg.geometry.blocks import block_window
from geoseg.geometry.grid import grown, overlap
from geoseg.night.forecast import forecast
from geoseg.night.publish import date_of, nights, prune, publish
from geoseg.night.stages import run_stages
from geoseg.night.tell import Facts, metrics_text, tell
from geoseg.options import InferOptions, MosaicOptions, NightOptions, RunOptions, TileOptions, WorkOptions
from geoseg.plan import plan_blocks
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.look.verify import verify
from geoseg.stages.tile.tile import tile

PLAIN = MosaicOptions(name="town", vectors=False)


def _sheet(folder: Path, col: int, row: int, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 6, (3, 128, 128), np.uint8)
    pixels = pixels.repeat(8, 1).repeat(8, 2)[:, :128, :128]
    return write_sheet(
        folder / f"s_{col}_{row}.tif", pixels, place=moved(PLACE, 128 * col, 128 * row), compress="deflate"
    )


@pytest.fixture
def town(tmp_path, blur_network):
    """(sheets, run, a night of it)."""
    sheets, run = tmp_path / "sheets", tmp_path / "run"
    for col in range(3):
        for row in range(2):
            _sheet(sheets, col, row, 10 * col + row)

    def night(run: Path = run, *, date: str = "", mosaic: MosaicOptions = PLAIN, **tiling: object):
        inference = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1)
        options = RunOptions(TileOptions(block_size=64, **tiling), inference, mosaic, night=NightOptions(date=date))
        return run_stages([sheets], run, options)

    return sheets, run, night


def _state(run: Path) -> dict[str, tuple[int, int]]:
    return {
        str(p): (p.stat().st_ino, p.stat().st_mtime_ns)
        for p in run.rglob("*")
        if p.is_file() and p.parent.name != "locks"
    }


def test_a_second_night_writes_nothing_and_says_so(town) -> None:
    _, run, night = town
    night(mosaic=MosaicOptions(name="town"), date="2026-11-20")
    before = _state(run)
    report = night(mosaic=MosaicOptions(name="town"), date="2026-11-20")
    assert report.infer.computed == 0
    assert report.mosaic.skipped
    assert _state(run) == before


def test_nothing_new_is_seen_without_a_look_into_any_file(town, tmp_path, blur_network, geoseg, monkeypatch) -> None:
    """And whatever is touched, inputs or outputs, sends the night through its stages again."""
    sheets, run, _ = town
    words = [
        "run",
        sheets,
        "-o",
        run,
        "--model",
        blur_network,
        "--engine",
        "torch",
        "--block-size",
        64,
        "--date",
        "2026-11-20",
    ]
    assert geoseg(*words)[0] == 0
    before = _state(run)
    looked: list[object] = []
    monkeypatch.setattr("geoseg.night.stages.run_stages", lambda *a, **k: looked.append(1) or 1 / 0)
    code, out, _ = geoseg(*words)
    assert (code, looked) == (0, [])
    assert "nothing to do: 6 sheets" in out
    assert _state(run) == before

    def noticed(*more: object) -> bool:
        looked.clear()
        geoseg(*words, *more)
        return bool(looked)

    assert not noticed("--threads", 1)
    assert noticed("--min-area", 3)
    assert noticed("--retry-failed")
    assert noticed("--date", "2026-11-21")
    block = min((run / "blocks").glob("*.tif"))
    for path in (run / "out" / "run.gpkg", run / "out" / "2026-11-20" / "run_classes.tif", block):
        facts = path.stat()
        os.utime(path)
        assert noticed(), path
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        assert not noticed()
    os.utime(sheets / "s_0_0.tif")
    assert noticed()


def test_a_night_that_set_sheets_aside_says_so_again(town, blur_network, geoseg) -> None:
    sheets, run, _ = town
    bad = sheets / "s_1_0.tif"
    bad.write_bytes(bad.read_bytes()[:300])
    words = ["run", sheets, "-o", run, "--model", blur_network, "--engine", "torch", "--block-size", 64]
    first, second = geoseg(*words), geoseg(*words)
    assert first[0] == second[0] == 3
    assert "nothing to do" in second[1]
    assert str(bad) in second[2]


def test_sheets_that_were_only_touched_make_nothing_stale(town) -> None:
    sheets, _run, night = town
    night()
    for path in sheets.iterdir():
        os.utime(path)
    report = night()
    assert report.infer.computed == 0
    assert report.mosaic.skipped
    assert night().infer.computed == 0


def _reached(run: Path, path: Path) -> set[tuple[int, int]]:
    plan = Run(run).plan
    window = next(s.window for s in plan.sheets if s.path == str(path))
    patch = Run(run).job.lattice.patch
    return {b for b in plan_blocks(plan) if overlap(window, grown(block_window(b, plan.block), patch))}


def test_a_replaced_sheet_costs_the_blocks_that_its_patches_reach(town, tmp_path) -> None:
    sheets, run, night = town
    night()
    changed = _sheet(sheets, 0, 0, 99)
    report = night()
    assert report.infer.computed == len(_reached(run, changed)) < report.infer.blocks
    night(tmp_path / "anew")
    assert np.array_equal(class_raster(run)[0], class_raster(tmp_path / "anew")[0])


@pytest.mark.parametrize(("col", "row"), [(-1, 0), (0, -1), (3, 1)])
def test_a_sheet_added_in_any_direction_moves_nothing(town, tmp_path, col, row) -> None:
    sheets, run, night = town
    night()
    anchor = Run(run).plan.grid
    added = _sheet(sheets, col, row, 7)
    report = night()
    assert Run(run).plan.grid == anchor
    assert report.infer.computed == len(_reached(run, added)) < report.infer.blocks
    other = tmp_path / "other"
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("blocks", "out", "run.json"))
    night(other)  # all blocks from scratch, on the same anchor
    assert np.array_equal(class_raster(run)[0], class_raster(other)[0])


def test_a_run_made_anew_on_the_same_anchor_is_the_same(town, tmp_path) -> None:
    """Also where sheets were added to the west and north since: lost run folders can be made again, pixel for pixel."""
    sheets, run, night = town
    night()
    grid = Run(run).plan.grid
    _sheet(sheets, -1, 0, 7)
    _sheet(sheets, 0, -1, 8)
    night()
    night(tmp_path / "anew", anchor=(grid.x0 + 0.03, grid.y0 - 0.03))
    assert Run(tmp_path / "anew").plan.grid == grid
    (one, here), (other, there) = class_raster(run), class_raster(tmp_path / "anew")
    assert here == there
    assert np.array_equal(one, other)
    with pytest.raises(UsageError, match="planned with"):
        night(anchor=(grid.x0 + 5, grid.y0))
    with pytest.raises(UsageError, match="the sheets begin at"):
        night(tmp_path / "far", anchor=(1e12, 0.0))


def test_a_sheet_that_goes_leaves_no_pixel(town) -> None:
    sheets, run, night = town
    night()
    before, place = class_raster(run)
    (sheets / "s_2_0.tif").unlink()
    night()
    after, there = class_raster(run)
    assert there == place
    assert (after[:128, 256:] == 255).all()
    assert (before[:128, 256:] != 255).all()


def test_damage_is_remembered_until_the_file_changes(town) -> None:
    sheets, run, night = town
    bad = sheets / "s_1_0.tif"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    first = night()
    assert not first.complete
    assert [q.path for q in Run(run).plan.quarantined] == [str(bad)]
    second = night()
    assert not second.complete
    assert second.infer.computed == 0
    tried = Run(run).plan.revision
    assert not night(retry_failed=True).complete  # tried, refused again
    assert Run(run).plan.revision > tried
    bad.write_bytes(whole)
    third = night()
    assert third.complete
    assert third.infer.computed > 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_damage_that_the_last_shard_meets_leaves_no_night_without_outputs(town, tmp_path, blur_network, order) -> None:
    """Blocks of a shard that has ended become stale: the last one does them, and the outputs equal those of a run without the sheet."""
    sheets, run, _ = town
    inference = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1)

    def shard(index: int):
        work, night = WorkOptions(shard=(index, 2)), NightOptions(date="2026-01-01")
        return run_stages([sheets], run, RunOptions(TileOptions(block_size=64), inference, PLAIN, work, night))

    bad = sheets / ("s_1_1.tif" if order[1] else "s_1_0.tif")
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    first = shard(order[0])
    assert first.mosaic is None
    assert not (run / "run.json").exists()
    last = shard(order[1])
    assert last.mosaic is not None
    assert last.published == run / "out/2026-01-01"
    assert [q.path for q in Run(run).plan.quarantined] == [str(bad)]
    other = tmp_path / "other"
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("blocks", "out", "run.json"))
    run_stages([sheets], other, RunOptions(TileOptions(block_size=64), inference, PLAIN))
    assert np.array_equal(class_raster(run)[0], class_raster(other)[0])


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
        _sheet(sheets, 0, 0, 60 + seed)
        night(date="2026-01-01")
    assert [p.name for p in prune(Run(run), 1, 0)] == ["2026-01-01"]
    _sheet(sheets, 0, 0, 70)
    assert night(date="2026-01-01").published.name == "2026-01-01.4"


def test_verify_sees_outputs_that_are_older_than_the_blocks(town, blur_network) -> None:
    sheets, run, night = town
    night()
    _sheet(sheets, 0, 0, 5)
    tile([sheets], run, TileOptions(block_size=64))
    infer(run, InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1))
    assert [f[1] for f in verify(run).faults] == ["its outputs are older than the blocks"]


def test_a_broken_webhook_or_metrics_folder_changes_nothing(town, tmp_path, blur_network, geoseg) -> None:
    config = tmp_path / "nightly.yaml"
    config.write_text(
        f"sheets: [sheets]\nout: run\ntile: {{block_size: 64}}\ninfer: {{model: {blur_network}, engine: torch, precision: f32}}\n"
        "mosaic: {vectors: false}\n"
        "night: {metrics: sheets/s_0_0.tif/m.prom, hooks: {success: [/no/such/program], webhook: 'http://a b/'}}\n"
    )
    assert geoseg("run", config)[0] == 0


def test_the_forecast_is_right_and_writes_nothing(town, blur_network) -> None:
    sheets, run, night = town
    empty = forecast([sheets], run, TileOptions(block_size=64))
    assert len(empty.new) == 6
    assert empty.stale == empty.blocks
    assert not run.exists()
    night()
    changed = _sheet(sheets, 0, 0, 99)
    _sheet(sheets, 3, 0, 5)
    (sheets / "s_2_1.tif").unlink()
    before = _state(run)
    inference = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1)
    other = forecast([sheets], run, TileOptions(block_size=64), InferOptions(model=(blur_network,), tta="flip"))
    assert other.stale == other.blocks
    told = forecast([sheets], run, TileOptions(block_size=64), inference)
    assert _state(run) == before
    assert (len(told.new), told.changed, len(told.gone), told.same) == (1, (str(changed),), 1, 4)
    assert told.seconds > 0
    assert told.stale == night().infer.computed


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
        _sheet(sheets, 0, 0, day)
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
    _sheet(sheets, 0, 0, 50)
    second = night(date="2026-01-01").published
    assert second.name == "2026-01-01.2"
    assert (run / "out/latest").resolve() == second.resolve()


def test_prune_never_takes_latest_its_predecessor_or_what_is_young(town) -> None:
    sheets, run, night = town
    for day in range(1, 6):
        _sheet(sheets, 0, 0, day)
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


def test_verify_finds_every_flipped_byte(town) -> None:
    _, run, night = town
    night(mosaic=MosaicOptions(name="town"))
    assert verify(run).faults == ()
    block = next((run / "blocks").glob("*.tif"))
    victims = [
        block,
        run / "out/town_classes.tif",
        run / "out/town.gpkg",
        run / "out/report.html",
        block.with_suffix(".json"),
    ]
    for path in victims:
        whole = path.read_bytes()
        flipped = bytearray(whole)
        at = whole.index(b'"sha256": "') + 15 if path.suffix == ".json" else len(whole) // 2
        flipped[at] ^= 1
        path.write_bytes(flipped)
        found = [f[0] for f in verify(run).faults]
        assert found == ([str(block), str(run / "run.json")] if path.suffix == ".json" else [str(path)]), path
        path.write_bytes(whole)
    (run / "out/town_confidence.tif").unlink()
    assert [f[1] for f in verify(run).faults] == ["is missing"]


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


def test_the_ledger_is_a_copy_and_the_records_are_the_truth(town, monkeypatch) -> None:
    """Records are opened again only where their files are others; a copy that is damaged or that cannot be kept is none."""
    from geoseg.runfolder import records as ledger
    from geoseg.runfolder.blocks import read_record

    _, run, night = town
    night()
    blocks = plan_blocks(Run(run).plan)
    opened: list[object] = []
    monkeypatch.setattr(ledger, "WORTH_IT", 1)
    monkeypatch.setattr(ledger, "read_record", lambda r, b: opened.append(b) or read_record(r, b))

    def looked() -> int:
        opened.clear()
        assert ledger.records_of(run / "blocks", run / "locks/ledger.json", blocks) == {
            b: r for b in blocks if (r := read_record(run / "blocks", b))
        }
        return len(opened)

    assert looked() == len(blocks)
    assert looked() == 0
    record = run / "blocks" / "0_0.json"
    data = record.read_bytes()
    record.unlink()
    assert looked() == 0  # gone, and not remembered
    record.write_bytes(data)
    assert looked() == 1
    (run / "blocks" / "0_1.tif").write_bytes(b"cut")
    assert looked() == 0
    assert (0, 1) not in ledger.records_of(run / "blocks", run / "locks/ledger.json", blocks)
    copy = run / "locks" / "ledger.json"
    text = copy.read_text()
    copy.write_text(text.replace('"size"', '"sise"', 1))
    assert looked() == len(blocks) - 1 + 1
    copy.unlink()
    copy.mkdir()  # nothing can be kept there
    assert looked() == len(blocks)


def test_what_killed_processes_left_is_swept_after_an_hour(town) -> None:
    _, run, night = town
    night()
    left = [run / "blocks" / f".{'0' * 12}.tmp", run / "out" / f".{'a' * 12}.tmp.gpkg", run / f".{'b' * 12}.tmp"]
    for path in left:
        path.write_bytes(b"half")
    mine = run / "out" / ".mine.tmp"
    mine.write_bytes(b"somebody's")
    night(mosaic=MosaicOptions(name="town", vectors=False, overwrite=True))
    assert all(p.exists() for p in left)  # of a process that may be alive
    for path in (*left, mine):
        os.utime(path, (0, 0))
    night(mosaic=MosaicOptions(name="town", vectors=False, overwrite=True))
    assert not any(p.exists() for p in left)
    assert mine.exists()


def test_metrics_are_prometheus_and_keep_the_last_success() -> None:
    good = metrics_text(Facts('a "run"\\x', exit_code=0, sheets=3, seconds={"tile": 0.5}))
    for line in good.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name.startswith("geoseg_")
            float(value)
    assert 'geoseg_sheets{run="a \\"run\\"\\\\x"} 3' in good
    assert 'stage="tile"} 0.5' in good
    bad = metrics_text(Facts("r", exit_code=4), good)

    def last(text: str) -> float:
        return float(next(x for x in text.splitlines() if x.startswith("geoseg_last_success")).rpartition(" ")[2])

    assert last(bad) == last(good) > time.time() - 60
    assert last(metrics_text(Facts("r", exit_code=1))) == 0


def test_hooks_and_metrics_are_told_how_it_ended(town, tmp_path, blur_network, geoseg) -> None:
    sheets, run, _ = town
    config = tmp_path / "nightly.yaml"
    log = tmp_path / "told.txt"
    hook = json.dumps(["sh", "-c", f'echo "$GEOSEG_EXIT_CODE" >> {log}; cat >> {log}'])
    config.write_text(
        f"sheets: [sheets]\nout: run\ntile: {{block_size: 64}}\ninfer: {{model: {blur_network}, engine: torch, precision: f32}}\n"
        f"mosaic: {{vectors: false}}\nnight: {{publish: true, metrics: m.prom, hooks: {{success: {hook}, failure: {hook}}}}}\n"
    )
    command = [sys.executable, "-m", "geoseg.cli.main", "run", str(config), "--log-json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [json.loads(x) for x in done.stderr.splitlines() if x.startswith("{")]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert any("mosaic done" in x["message"] for x in lines)
    assert log.read_text().startswith("0\n")
    assert json.loads(log.read_text().splitlines()[1])["computed"] > 0
    assert "geoseg_exit_code" in (tmp_path / "m.prom").read_text()
    assert (run / "out/latest").is_symlink()
    for path in sheets.iterdir():
        path.write_bytes(b"no image")
    log.unlink()
    code, _, _ = geoseg("run", config)
    assert code == 2
    assert log.read_text().startswith("2\n")
    text = (tmp_path / "m.prom").read_text()
    assert f'geoseg_exit_code{{run="{run}"}} 2' in text
    assert f'geoseg_last_success_timestamp_seconds{{run="{run}"}} 0' not in text


def test_a_webhook_is_sent_the_facts_and_shards_that_wait_for_others_send_none() -> None:
    received: list[dict[str, object]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hooks = NightOptions(webhook=f"http://127.0.0.1:{server.server_port}/")
    tell(hooks, Facts("r\udce9", exit_code=4, error="disk full"))
    tell(hooks, Facts("r", exit_code=0, partial=True))
    tell(hooks, Facts("r", exit_code=1, partial=True))
    server.shutdown()
    server.server_close()
    assert [(f["exit_code"], f["error"]) for f in received] == [(4, "disk full"), (1, "")]


def test_sheets_by_pattern_and_by_list(town, tmp_path) -> None:
    from geoseg.sheets.listing import find_sheets

    sheets, _, _ = town
    assert len(find_sheets([sheets / "s_0_*.tif"])) == 2
    listed = tmp_path / "list.txt"
    listed.write_text("# tonight\nsheets/s_0_0.tif\n\nsheets/s_1_0.tif\n")
    assert [p.name for p in find_sheets([listed])] == ["s_0_0.tif", "s_1_0.tif"]
    with pytest.raises(UsageError):
        find_sheets([sheets / "x_*.tif"])


@pytest.mark.parametrize(
    ("text", "env", "expected"),
    [
        ("1/4", {}, (0, 4)),
        ("4/4", {}, (3, 4)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "8"}, (2, 8)),
        ("auto", {"AWS_BATCH_JOB_ARRAY_INDEX": "5", "AWS_BATCH_JOB_ARRAY_SIZE": "6"}, (5, 6)),
        ("auto/5", {"JOB_COMPLETION_INDEX": "0"}, (0, 5)),
        ("0/4", {}, None),
        ("5/4", {}, None),
        ("auto", {}, None),
        ("a/b", {}, None),
    ],
)
def test_shards_are_read_from_the_line_or_the_array(text, env, expected, monkeypatch) -> None:
    for name in ("SLURM_ARRAY_TASK_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    if expected is None:
        with pytest.raises(UsageError):
            parse.shard(text)
    else:
        assert parse.shard(text) == expected


def test_dates() -> None:
    assert parse.day("2026-02-03") == "2026-02-03"
    assert date_of(parse.day("today")) == time.strftime("%Y-%m-%d")
    assert date_of("") == ""
    for text in ("yesterday", "2026-13-01", "../x"):
        with pytest.raises(UsageError):
            parse.day(text)

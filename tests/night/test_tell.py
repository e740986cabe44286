"""Hooks, metrics and log lines tell how a night ended."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from geoseg.errors import Busy, EnvironmentFault
from geoseg.night.tell import Facts, JsonLines, metrics_text, tell, telling, write_metrics
from geoseg.options import NightOptions


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
        "sheets: [sheets]\nout: run\ntile: {block_size: 64}\n"
        f"infer: {{model: {blur_network}, engine: torch, precision: f32}}\n"
        "mosaic: {vectors: false}\n"
        f"night: {{publish: true, metrics: m.prom, hooks: {{success: {hook}, failure: {hook}}}}}\n"
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


@pytest.mark.parametrize(
    ("error", "code"),
    [(Busy("run", "is locked"), 75), (EnvironmentFault("run", "disk full"), 4), (KeyboardInterrupt(), 130)],
)
def test_an_error_is_told_and_goes_on(tmp_path, error, code) -> None:
    facts = Facts("run")
    with pytest.raises(type(error)), telling(NightOptions(metrics=tmp_path / "m.prom"), facts):
        raise error
    assert facts.exit_code == code
    assert facts.error == str(error)
    assert f'geoseg_exit_code{{run="run"}} {code}' in (tmp_path / "m.prom").read_text()


def test_what_goes_wrong_while_telling_changes_nothing(tmp_path, caplog) -> None:
    (tmp_path / "file").touch()
    options = NightOptions(metrics=tmp_path / "file" / "m.prom", success=("/no/such/program",), webhook="ftp://a/")
    with telling(options, facts := Facts("run", exit_code=0)):
        facts.sheets = 3
    assert facts.exit_code == 0
    for word in ("metrics", "/no/such/program", "not an http address"):
        assert word in caplog.text


@pytest.mark.parametrize(
    ("code", "partial", "told"),
    [(0, False, "good"), (3, False, "good"), (4, False, "bad"), (0, True, ""), (1, True, "bad")],
)
def test_the_command_that_fits_the_end_is_called(tmp_path, code, partial, told) -> None:
    log = tmp_path / "log"

    def command(word: str) -> tuple[str, ...]:
        return ("sh", "-c", f'printf "%s $GEOSEG_EXIT_CODE" {word} > {log}')

    tell(NightOptions(success=command("good"), failure=command("bad")), Facts("r", exit_code=code, partial=partial))
    assert (log.read_text() if log.exists() else "") == (f"{told} {code}" if told else "")


def test_a_success_of_one_shard_among_others_is_not_yet_one(tmp_path) -> None:
    path = tmp_path / "m.prom"
    write_metrics(path, Facts("r", exit_code=0, partial=True))
    assert 'geoseg_last_success_timestamp_seconds{run="r"} 0' in path.read_text()
    write_metrics(path, Facts("r", exit_code=0))
    good = path.read_text()
    write_metrics(path, Facts("r", exit_code=1))
    assert metrics_text(Facts("r", exit_code=1), "nonsense").count("\n") > 10

    def last(text: str) -> str:
        return next(x for x in text.splitlines() if x.startswith("geoseg_last_success"))

    assert last(path.read_text()) == last(good)
    assert os.listdir(tmp_path) == ["m.prom"]


def test_a_log_line_is_one_json_object() -> None:
    try:
        1 / 0
    except ZeroDivisionError:
        record = logging.LogRecord("geoseg.x", logging.WARNING, "f", 1, "größer als %d", (3,), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    value = json.loads(line)
    assert (value["level"], value["logger"], value["message"]) == ("warning", "geoseg.x", "größer als 3")
    assert "ZeroDivisionError" in value["traceback"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:9/services/T0/SECRET?token=SECRET", "http://127.0.0.1:9/..."),
        ("http://user:SECRET@127.0.0.1:9/a", "http://127.0.0.1:9/..."),
        ("ftp://a.example/SECRET", "ftp://a.example/..."),
        ("http://[SECRET", "(no address)"),
        ("SECRET", "(no address)"),
    ],
)
def test_an_address_is_logged_without_what_may_be_a_key(caplog, url, shown) -> None:
    tell(NightOptions(webhook=url), Facts("r"))
    assert "SECRET" not in caplog.text
    assert shown in caplog.text


def test_metrics_that_cannot_be_written_are_told_in_spite_of_quiet(tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("")
    with telling(NightOptions(metrics=tmp_path / "file" / "m.prom"), Facts("r")):
        pass
    assert [r.levelname for r in caplog.records] == ["ERROR"]

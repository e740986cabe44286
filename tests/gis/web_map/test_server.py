"""The server of a web map: whole files and parts of them, for this machine, and nothing else."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoseg.errors import EnvironmentFault, PlanError
from geoseg.gis.web_map.server import MapServer, hosts_of, map_server

DATA = bytes(range(256)) * 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MapServer]:
    """Serves index.html and a.pmtiles; secret.txt lies beside them."""
    (tmp_path / "index.html").write_text("<title>map</title>")
    (tmp_path / "a.pmtiles").write_bytes(DATA)
    (tmp_path / "secret.txt").write_text("secret")
    files = {"": tmp_path / "index.html", "index.html": tmp_path / "index.html", "a.pmtiles": tmp_path / "a.pmtiles"}
    with map_server(files, 0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def _ask(
    server: MapServer, path: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=bool(headers and "Host" in headers))
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=100-", 100, len(DATA) - 1), ("bytes=-7", len(DATA) - 7, len(DATA) - 1),
     ("bytes=10000-99999999", 10_000, len(DATA) - 1)],
)  # fmt: skip
def test_parts_are_those_that_were_asked_for(server: MapServer, wanted: str, first: int, last: int) -> None:
    status, headers, body = _ask(server, "/a.pmtiles", {"Range": wanted})
    assert status == 206
    assert body == DATA[first : last + 1]
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"


def test_whole_files_and_heads(server: MapServer) -> None:
    assert _ask(server, "/")[2] == b"<title>map</title>"
    assert _ask(server, "/a.pmtiles?x=1#y")[2] == DATA
    assert _ask(server, "/a.pmtiles", {"Range": "bytes=0-1,4-5"})[2] == DATA  # several parts: all of it
    status, headers, body = _ask(server, "/a.pmtiles", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(DATA)), b"")
    status, headers, _ = _ask(server, "/a.pmtiles", {"Range": f"bytes={len(DATA)}-"})
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")


@pytest.mark.parametrize(
    "path",
    ["/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "//etc/passwd", "/etc/passwd", "/a.pmtiles/../secret.txt",
     "/..%2fsecret.txt", "/.", "/a.pmtiles%00", "/%ff", "http://127.0.0.1/secret.txt"],
)  # fmt: skip
def test_no_other_file_is_reachable(server: MapServer, path: str) -> None:
    status, _, body = _ask(server, path)
    assert status in (404, 421)
    assert b"secret" not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "192.168.0.1:{port}", ""])
def test_other_hosts_are_refused(server: MapServer, host: str) -> None:
    assert _ask(server, "/", {"Host": host.format(port=server.server_port)})[0] == 421
    assert _ask(server, "/", {"Host": f"localhost:{server.server_port}"})[0] == 200


def test_browsers_leave_out_the_port_of_http() -> None:
    assert {"127.0.0.1", "localhost", "127.0.0.1:80"} <= hosts_of(80)
    assert hosts_of(8080) == {"127.0.0.1:8080", "localhost:8080"}


def test_a_file_that_is_gone_is_named_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"gone.pmtiles.*--web"):
        map_server({"": tmp_path / "gone.pmtiles"}, 0)


def test_only_get_and_head(server: MapServer) -> None:
    assert _ask(server, "/", method="POST")[0] == 501
    assert _ask(server, "/", method="DELETE")[0] == 501


def test_links_are_not_followed(server: MapServer, tmp_path: Path) -> None:
    (tmp_path / "a.pmtiles").unlink()
    (tmp_path / "a.pmtiles").symlink_to(tmp_path / "secret.txt")
    assert _ask(server, "/a.pmtiles")[0] == 404
    with pytest.raises(PlanError, match="no regular file"):
        map_server({"": tmp_path / "a.pmtiles"}, 0)


def test_it_listens_on_this_machine_alone_and_says_that_a_port_is_taken(server: MapServer, tmp_path: Path) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(EnvironmentFault, match="--port"):
        map_server({"": tmp_path / "index.html"}, server.server_port)


def test_browsers_that_hang_up_are_no_fault(server: MapServer, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)) as rude:
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        rude.sendall(b"GET /a.pmtiles HTTP/1.1\r\n")
    assert _ask(server, "/")[0] == 200
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_ctrl_c_ends_it_cleanly(finished, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "geoseg", "-q", "view", str(finished[0]), "--serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "m")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, ""), out

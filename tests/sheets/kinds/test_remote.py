"""Remote sheets: what is read of them, and everything that servers may try."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
from servers import Handler, Server, endless, listener, own_certificate, serve
from support import write_sheet

from geoseg.errors import SheetAway, SheetChanged, SheetError, UsageError
from geoseg.sheets.decoder import Decoder, PixelRequest, sheet_stat
from geoseg.sheets.door import open_sheet, read_header
from geoseg.sheets.kinds.addresses import address_of, check_address, is_remote
from geoseg.sheets.kinds.remote import BLOCK, RemoteFile, remote_stat
from geoseg.sheets.listing import list_sheets

PIXELS = np.random.default_rng(3).integers(0, 255, (3, 1500, 1100), dtype=np.uint8)
"""About 5 MB: five blocks of a remote file."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    write_sheet(root / "a.tif", PIXELS, tiled=True, blockxsize=256, blockysize=256, interleave="pixel")
    write_sheet(root / "small.tif", PIXELS[:, :64, :64])
    with rasterio.open(root / "small.tif") as sheet:
        facts = {
            "count": 3,
            "height": 64,
            "width": 64,
            "dtype": "uint8",
            "crs": sheet.crs,
            "transform": sheet.transform,
        }
        with rasterio.open(root / "b.jp2", "w", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", **facts) as made:
            made.write(sheet.read())
    (root / "cut.jp2").write_bytes((root / "b.jp2").read_bytes()[:-20])
    (root / "words.tif").write_text("<html>")
    (root / "empty.tif").write_bytes(b"")
    (root / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return root


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serve(folder) as made:
        yield made


@pytest.fixture(scope="module")
def own() -> Iterator[Decoder]:
    """One decoder for all: a process takes its time to start."""
    made = Decoder()
    yield made
    made.close()


def _path(server: Server, name: str = "a.tif") -> Path:
    return Path(f"{server.url}/{name}")


def _read(own: Decoder, path: Path, rows: slice = slice(0, 1500), patience: float = 20.0) -> np.ndarray:
    wanted = PixelRequest(path, own.stat(path), (1, 2, 3), rows, slice(0, 1100), patience=patience)
    return own.read(wanted)


# --- addresses


def test_paths_and_addresses() -> None:
    assert address_of(Path("https://host/a/b.tif")) == "https://host/a/b.tif"
    assert address_of(Path("S3://bucket/a.tif")) == "s3://bucket/a.tif"
    assert all(is_remote(Path(p)) for p in ("gs://b/a.tif", "az://c/a.tif", "http://h/a.tif"))
    assert not any(is_remote(Path(p)) for p in ("/a/https/b.tif", "s3/a.tif", "ftp://h/a.tif", "/vsicurl/http://h/a"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("https://me:secret@host/a.tif", r"https://host/a\.tif: is an address with a user or a password.*environment"),
        ("s3://me@bucket/a.tif", "would be written down"),
        ("https://host/a.tif?sig=secret", r"https://host/a\.tif: is an address with a query.*may be a signature"),
        ("https://host/a.tif#secret", r"a query or a mark \(\?, #\).*name the address without it, or download it"),
        ("s3://bucket/*.tif", r"is an address of many files, expected one \(name each, or list them in a \.txt"),
        ("https://host", r"is no address of a file \(for instance"),
        ("https://host:99999/a.tif", "is no address of a file"),
        ("http://example.com/a.tif", r"is not encrypted \(http\) \(name it with https"),
    ],
)
def test_addresses_that_are_refused_before_anything_is_asked(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as found:
        check_address(Path(address))
    assert "secret" not in str(found.value)
    with pytest.raises(UsageError, match=message):
        list_sheets([Path(address)])


def test_a_list_names_addresses_and_files(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("https://host/a.tif\nb.tif\ns3://bucket/c.tif\n")
    assert [str(p) for p in list_sheets([listed]).paths] == [
        "https:/host/a.tif",
        str(tmp_path / "b.tif"),
        "s3:/bucket/c.tif",
    ]
    listed.write_text("https://host/a.tif?secret=1\n")
    with pytest.raises(UsageError, match="with a query"):
        list_sheets([listed])


# --- what is read


def test_pixels_come_by_range_and_equal_those_of_the_file(server: Server, folder: Path, own: Decoder) -> None:
    path = _path(server)
    header = own.header(path, remote=True)
    assert header == own.header(folder / "a.tif")
    assert np.array_equal(_read(own, path), PIXELS)
    assert all(r.startswith("bytes=") for _, r in server.asked)
    most = max(int(r[6:].split("-")[1]) - int(r[6:].split("-")[0]) + 1 for _, r in server.asked)
    assert most == BLOCK
    server.asked.clear()
    assert np.array_equal(
        own.read(PixelRequest(path, own.stat(path), (1,), slice(1400, 1410), slice(0, 9)))[0], PIXELS[0, 1400:1410, :9]
    )
    assert len(server.asked) <= 3  # it is still open


def test_a_small_window_moves_few_bytes(server: Server, own: Decoder) -> None:
    _read(own, _path(server), slice(700, 710))
    assert len({r for _, r in server.asked}) <= 4


def test_jpeg_2000_is_read_and_one_that_was_cut_short_is_refused(server: Server, own: Decoder) -> None:
    path = _path(server, "b.jp2")
    assert own.header(path, remote=True).bands == 3
    got = own.read(PixelRequest(path, own.stat(path), (1, 2, 3), slice(0, 64), slice(0, 64)))
    assert np.array_equal(got, PIXELS[:, :64, :64])
    with pytest.raises(SheetError, match="code stream does not end"):
        own.header(_path(server, "cut.jp2"), remote=True)


def test_without_the_option_nothing_is_asked(server: Server, own: Decoder) -> None:
    with pytest.raises(SheetError, match=r"is a remote path, expected a file on disk \(.*--allow remote"):
        own.header(_path(server))
    with pytest.raises(SheetError, match="--allow remote"):
        read_header(_path(server))
    with pytest.raises(SheetError, match="remote path"), open_sheet(Path("/vsicurl/https://host/a.tif")):
        pass
    assert server.asked == []


def test_nothing_is_looked_for_beside_a_remote_sheet(server: Server, folder: Path, own: Decoder) -> None:
    own.header(_path(server, "small.tif"), remote=True)
    assert {name for name, _ in server.asked} == {"/small.tif"}


def test_names_with_spaces_and_other_letters(server: Server, folder: Path, own: Decoder) -> None:
    (folder / "ein blatt ä.tif").write_bytes((folder / "small.tif").read_bytes())
    assert own.header(_path(server, "ein blatt ä.tif"), remote=True).bands == 3
    assert own.header(_path(server, "ein%20blatt%20%C3%A4.tif"), remote=True).bands == 3


def test_the_stat_key_follows_the_server(server: Server, folder: Path, own: Decoder) -> None:
    path = _path(server, "kept.tif")
    (folder / "kept.tif").write_bytes(b"II*\0" + bytes(100))
    first = own.stat(path)
    assert own.stat(path) == first == remote_stat(path, 20)
    assert first[0] == 104
    (folder / "kept.tif").write_bytes(b"II*\0" + bytes(99) + b"x")
    assert own.stat(path) != first
    server.tags = False
    by_time = own.stat(path)
    assert by_time != first
    assert by_time[1] // 10**9 == 1714557600
    assert sheet_stat(folder / "small.tif")[0] == (folder / "small.tif").stat().st_size


def test_https_needs_a_certificate_that_is_trusted(
    folder: Path, tmp_path: Path, own: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = own_certificate(tmp_path / "own.pem")
    with serve(folder, certificate) as server:
        with pytest.raises(SheetError, match=r"certificate is not trusted: .*self.signed.*\(name .* SSL_CERT_FILE\)"):
            own.header(_path(server), remote=True)
        assert server.asked == []
        own.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert np.array_equal(_read(own, _path(server)), PIXELS)


def test_the_proxy_of_the_environment_is_asked_for_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with listener() as (url, taken):
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(SheetAway, match="does not answer"):
            RemoteFile(Path("https://geoseg.invalid/a.tif"), 1)
        assert taken[0].recv(30).startswith(b"CONNECT geoseg.invalid:443 ")


# --- what is refused


def _misbehaving(status: int, **headers: str):
    return lambda handler, *_: handler.status(status, **headers)


@pytest.mark.parametrize(
    ("name", "facts", "message"),
    [
        ("none.tif", {}, r"is not there \(status 404\) \(check the address\)"),
        ("empty.tif", {}, r"is empty \(0 bytes\)"),
        ("words.tif", {}, r"neither a TIFF nor a JPEG 2000 file \(it starts with b'<htm'\), as remote sheets must be"),
        ("p.png", {}, "neither a TIFF nor a JPEG 2000 file"),
        ("a.tif", {"ranges": False}, r"gives no parts of files \(ranges\) \(download it and name the file\)"),
        ("a.tif", {"tags": False, "times": False}, r"does not say when a file changes \(no ETag, no Last-Modified\)"),
        ("a.tif", {"misbehave": _misbehaving(403)}, r"may not be read \(status 403\) \(name it as s3://"),
        ("a.tif", {"misbehave": _misbehaving(401)}, "without a password"),
        ("a.tif", {"misbehave": _misbehaving(410)}, "not there any more"),
        ("a.tif", {"misbehave": _misbehaving(206)}, r"other bytes than were asked for \(status 206\)"),
        ("a.tif", {"misbehave": _misbehaving(204)}, r"other bytes than were asked for \(status 204\)"),
        (
            "a.tif",
            {"misbehave": lambda h, data, first, last: h.part(data, first + 1, last)},
            "other bytes than were asked for",
        ),
        (
            "a.tif",
            {"misbehave": lambda h, data, first, last: h.part(data, first, last, length=10**12)},
            "other bytes than were asked for",
        ),
    ],
)
def test_servers_that_cannot_be_used(folder: Path, name: str, facts: dict[str, object], message: str) -> None:
    with (
        serve(folder, **facts) as server,
        pytest.raises(SheetError, match=message),
        closing(RemoteFile(_path(server, name), 20)) as remote,
    ):
        read_header(_path(server, name), remote=remote)


def test_a_redirect_is_not_followed(folder: Path) -> None:
    with listener() as (elsewhere, taken):
        for status in (301, 302, 303, 307, 308):
            away = _misbehaving(status, Location=f"{elsewhere}/a.tif")
            with (
                serve(folder, misbehave=away) as server,
                pytest.raises(SheetError, match=rf"another address \(status {status}\), which is not followed"),
            ):
                remote_stat(_path(server), 20)
            assert len(server.asked) == 1
        time.sleep(0.2)
        assert taken == []


def test_a_body_without_end_is_left_alone(folder: Path, own: Decoder) -> None:
    """The bytes that were asked for are used, whatever follows them."""
    with serve(folder, misbehave=endless) as server:
        begun = time.monotonic()
        assert np.array_equal(_read(own, _path(server)), PIXELS)
        assert time.monotonic() - begun < 15


def test_a_body_longer_than_it_says_does_no_harm(folder: Path, own: Decoder) -> None:
    def longer(handler: Handler, data: bytes, first: int, last: int) -> None:
        handler.part(data, first, last, body=data[first:last] + b"HTTP/1.1 200 OK\r\n\r\nno")

    with serve(folder, misbehave=longer) as server, pytest.raises(SheetError, match="other bytes|gives no parts"):
        _read(own, _path(server))


def test_a_body_that_ends_early_and_errors_now_and_then(folder: Path, own: Decoder) -> None:
    count = [0]

    def unsteady(handler: Handler, data: bytes, first: int, last: int) -> None:
        count[0] += 1
        if count[0] % 3 == 1:
            handler.status(500)
        elif count[0] % 3 == 2:
            handler.part(data, first, last, body=data[first : (first + last) // 2])
            handler.close_connection = True
        else:
            handler.part(data, first, last)

    with serve(folder, misbehave=unsteady) as server:
        path = _path(server, "small.tif")
        wanted = PixelRequest(path, own.stat(path), (1, 2, 3), slice(0, 64), slice(0, 64))
        assert np.array_equal(own.read(wanted), PIXELS[:, :64, :64])


def test_a_server_that_fails_for_good_is_away(folder: Path, own: Decoder) -> None:
    with serve(folder, misbehave=_misbehaving(503)) as server, pytest.raises(SheetAway) as error:
        own.header(_path(server), remote=True)
    assert "cannot be read from its server: it answers with status 503 (run geoseg tile and infer again" in str(
        error.value
    )
    with pytest.raises(SheetAway, match="refused"):
        own.stat(_path(server))


def test_a_server_that_never_answers_is_left_within_the_time(own: Decoder) -> None:
    with listener() as (url, _):
        begun = time.monotonic()
        with pytest.raises(SheetAway, match="does not answer"):
            own.header(Path(f"{url}/a.tif"), remote=True, patience=3)
        assert time.monotonic() - begun < 6


def test_a_silent_server_costs_its_time_once_and_others_nothing(
    server: Server, own: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked of it next fails at once with the same words: headers and stats, with --read-timeout heeded."""
    monkeypatch.setattr(importlib.import_module("geoseg.sheets.decoder"), "decoder", lambda: own)
    with listener() as (url, taken):
        begun = time.monotonic()
        with pytest.raises(SheetAway, match=r"127\.0\.0\.1:\d+ does not answer") as first:
            sheet_stat(Path(f"{url}/a.tif"), 3)
        assert 1 < time.monotonic() - begun < 6
        asked, begun = len(taken), time.monotonic()
        for name in ("b.tif", "c.tif"):
            with pytest.raises(SheetAway) as later:
                own.header(Path(f"{url}/{name}"), remote=True, patience=3)
            assert later.value.what == first.value.what
            with pytest.raises(SheetAway):
                sheet_stat(Path(f"{url}/{name}"), 3)
        assert time.monotonic() - begun < 1
        assert len(taken) == asked
    assert own.header(_path(server), remote=True).width == 1100


def test_a_server_that_drips_is_left_within_the_time(folder: Path, own: Decoder) -> None:
    def drip(handler: Handler, data: bytes, first: int, last: int) -> None:
        for _ in range(200):
            handler.wfile.write(b"HTTP/1.1 206"[:1])
            time.sleep(0.1)

    with serve(folder, misbehave=drip) as server:
        begun = time.monotonic()
        with pytest.raises(SheetAway, match=r"it took more than 2 s \(run geoseg tile .* --read-timeout"):
            own.header(_path(server), remote=True, patience=2)
        assert time.monotonic() - begun < 12


def test_a_file_that_is_written_while_it_is_read(folder: Path, own: Decoder) -> None:
    """Another ETag in the middle: neither the old nor the new pixels are given out."""
    path = folder / "moving.tif"
    data = (folder / "a.tif").read_bytes()
    path.write_bytes(data)
    with serve(folder) as server:
        there = _path(server, "moving.tif")
        stat = own.stat(there)
        own.read(PixelRequest(there, stat, (1,), slice(0, 10), slice(0, 10)))
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(SheetChanged, match=r"was written again while it was read \(wait until it is complete"):
            own.read(PixelRequest(there, stat, (1,), slice(0, 1500), slice(0, 1100)))
        with pytest.raises(SheetChanged):
            own.read(PixelRequest(there, stat, (1,), slice(0, 10), slice(0, 10)))
        path.write_bytes(data[:2_000_000])
        with pytest.raises(SheetChanged):
            own.read(PixelRequest(there, stat, (1,), slice(0, 1500), slice(0, 1100)))


def test_a_network_that_goes_away_is_no_damage(folder: Path, own: Decoder) -> None:
    with serve(folder) as server:
        path = _path(server)
        stat = own.stat(path)
        own.read(PixelRequest(path, stat, (1,), slice(0, 10), slice(0, 10)))
        server.misbehave = lambda handler, *_: setattr(handler, "close_connection", True)
        with pytest.raises(SheetAway, match="cannot be read from its server: Remote end closed connection"):
            own.read(PixelRequest(path, stat, (1,), slice(0, 1500), slice(0, 1100)))
        server.misbehave = None
        assert np.array_equal(_read(own, path), PIXELS)

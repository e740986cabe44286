"""Remote sheets in buckets: facts and faults of the services' libraries in our words; and a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support import COMMAND, write_sheet

from geoseg.errors import SheetAway, SheetChanged, SheetError
from geoseg.sheets.decoder import Decoder, PixelRequest
from geoseg.sheets.door import open_sheet
from geoseg.sheets.kinds.buckets import BucketRanges
from geoseg.sheets.kinds.remote import RemoteFile, remote_stat

PIXELS = np.random.default_rng(4).integers(0, 255, (3, 900, 900), dtype=np.uint8)


class _Bucket(MemoryFileSystem):
    """A bucket in memory, with facts as a service gives them."""

    facts: dict[str, object] = {}  # noqa: RUF012
    fault: Exception | None = None
    store: dict[str, object] = {}  # noqa: RUF012
    cachable = False

    def open(self, path: str, mode: str = "rb", **_: object) -> Any:
        if self.fault is not None:
            raise self.fault
        file = super().open(path.replace("s3://", "/"), mode)
        file.details = {"size": file.getbuffer().nbytes, "type": "file", **self.facts}
        return file


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[_Bucket]]:
    _Bucket.facts, _Bucket.fault = {"ETag": '"1"', "LastModified": datetime(2024, 5, 1, tzinfo=UTC)}, None
    monkeypatch.setattr(fsspec, "filesystem", lambda kind, **_: _Bucket())
    data = write_sheet(tmp_path / "a.tif", PIXELS).read_bytes()
    with _Bucket().open("s3://b/a.tif", "wb") as file:
        file.write(data)
    yield _Bucket
    _Bucket.store.clear()


@pytest.fixture
def own() -> Iterator[Decoder]:
    made = Decoder()
    yield made
    made.close()


SHEET = Path("s3://b/a.tif")


def test_a_sheet_in_a_bucket_is_read_by_range(bucket: type[_Bucket]) -> None:
    remote = RemoteFile(SHEET, 20)
    with open_sheet(SHEET, remote=remote) as dataset:
        assert np.array_equal(dataset.read(), PIXELS)
    remote.close()
    assert remote.stat[1] // 10**9 == 1714521600
    assert remote_stat(SHEET, 20) == remote.stat


@pytest.mark.parametrize("facts", [{"etag": "2"}, {"ETag": "2"}, {"ETag": None, "updated": "2024-05-02T00:00:00Z"}])
def test_the_stat_key_follows_the_service(bucket: type[_Bucket], facts: dict[str, object]) -> None:
    first = remote_stat(SHEET, 20)
    bucket.facts = facts
    assert remote_stat(SHEET, 20) != first


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (ImportError("Install s3fs"), SheetError, r"which s3fs reads: Install s3fs \(pip install 'geoseg\[remote\]'\)"),
        (FileNotFoundError("no"), SheetError, r"is not there \(check the address\)"),
        (
            PermissionError("no"),
            SheetError,
            r"may not be read \(PermissionError\) \(set AWS_PROFILE, or AWS_ACCESS_KEY",
        ),
        (type("NoCredentialsError", (Exception,), {})(), SheetError, "FSSPEC_S3_ANON=true for public buckets"),
        (type("FileExpired", (Exception,), {})(), SheetChanged, "was written again while it was read"),
        (
            ConnectionError("no route to https://host/a?sig=secret\n now"),
            SheetAway,
            r"cannot be read from its bucket: ConnectionError: no route to https://host/a now \(run geoseg tile",
        ),
    ],
)
def test_faults_of_the_libraries(bucket: type[_Bucket], fault: Exception, kind: type[SheetError], message: str) -> None:
    bucket.fault = fault
    with pytest.raises(kind, match=message):
        remote_stat(SHEET, 20)


def test_facts_that_are_missing(bucket: type[_Bucket]) -> None:
    bucket.facts = {"ETag": "", "LastModified": None}
    with pytest.raises(SheetError, match="does not say when a file changes"):
        remote_stat(SHEET, 20)
    bucket.facts = {"type": "directory"}
    with pytest.raises(SheetError, match=r"is a folder, or empty \(name a file\)"):
        remote_stat(SHEET, 20)


def test_each_service_has_its_package_and_its_cure() -> None:
    for address, package in (("s3://b/a.tif", "s3fs"), ("gs://b/a.tif", "gcsfs"), ("az://b/a.tif", "adlfs")):
        ranges = BucketRanges(Path(address))
        with pytest.raises(SheetError, match=package), ranges._faults():
            raise ImportError
        with pytest.raises(SheetError, match="may not be read .*set "), ranges._faults():
            raise PermissionError


@pytest.mark.slow
def test_a_real_s3_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: Decoder) -> None:
    """Credentials and the server's address come from the environment alone."""
    import subprocess

    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-word")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    try:
        import boto3

        store = boto3.client("s3")
        store.create_bucket(Bucket="photos")
        store.upload_file(str(write_sheet(tmp_path / "a.tif", PIXELS)), "photos", "2024/a.tif")
        path = Path("s3://photos/2024/a.tif")
        assert own.header(path, remote=True) == own.header(tmp_path / "a.tif")
        wanted = PixelRequest(path, own.stat(path), (1, 2, 3), slice(0, 900), slice(0, 900))
        assert np.array_equal(own.read(wanted), PIXELS)
        done = subprocess.run(
            [*COMMAND, "tile", str(path), "-o", str(tmp_path / "run"), "--allow", "remote"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert not any("secret-word" in f.read_bytes().decode("latin-1") for f in tmp_path.rglob("*") if f.is_file())
        own.close()
        own.read(PixelRequest(path, wanted.stat, (1,), slice(0, 9), slice(0, 9)))
        store.upload_file(str(write_sheet(tmp_path / "b.tif", PIXELS[::-1])), "photos", "2024/a.tif")
        with pytest.raises(SheetChanged, match="was written again while it was read"):
            own.read(PixelRequest(path, wanted.stat, (1,), slice(600, 900), slice(0, 900)))
        assert own.stat(path) != wanted.stat
        with pytest.raises(SheetError, match="is not there"):
            own.header(Path("s3://photos/no.tif"), remote=True)
    finally:
        server.stop()

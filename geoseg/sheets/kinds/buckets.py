"""Ranges of one file in a bucket of S3, Google Cloud Storage or Azure.

fsspec reads them, with the libraries of these services, which find credentials in the environment by their own rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from geoseg.errors import SheetAway, SheetError
from geoseg.sheets.kinds.addresses import address_of
from geoseg.sheets.kinds.part import Part, changed

__all__ = ["PACKAGES", "BucketRanges"]

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
_TAGS = ("ETag", "etag", "e_tag")
_TIMES = ("LastModified", "last_modified", "updated", "mtime")
_CREDENTIALS = {
    "s3": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; FSSPEC_S3_ANON=true for public buckets",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS; FSSPEC_GS_TOKEN=anon for public buckets",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
}


class BucketRanges:
    """One file in a bucket; use it from one thread."""

    def __init__(self, path: Path) -> None:
        self.path, self.address = path, address_of(path)
        self.kind = self.address.partition(":")[0]
        self._file: Any = None
        self._facts: dict[str, Any] = {}

    def read(self, first: int, last: int, deadline: float) -> Part:
        """The bytes from `first` up to but not including `last`, or up to the end of the file.

        The libraries keep their own time; `deadline` is not looked at.

        Raises:
            SheetError: a package is missing, or the file is not there, may not be read, or was written again.
            SheetAway: the service cannot be reached.
        """
        with self._faults():
            if self._file is None:
                self._open()
            size = int(self._facts["size"])
            self._file.seek(first)
            data = self._file.read(min(last, size) - first)
        if len(data) != min(last, size) - first:
            raise SheetAway(self.path, "cannot be read from its bucket: its answers end too early", "run it again")
        tag = next((str(self._facts[k]) for k in _TAGS if self._facts.get(k)), "")
        return Part(data, size, tag, next((_seconds(self._facts[k]) for k in _TIMES if self._facts.get(k)), 0))

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _open(self) -> None:
        """Ask for the facts of the file, and make it ready to be read without any reading ahead."""
        import fsspec

        system = fsspec.filesystem(self.kind, use_listings_cache=False)
        system.invalidate_cache()
        self._file = system.open(self.address, "rb", cache_type="none")
        self._facts = dict(self._file.details)
        if self._facts.get("type", "file") != "file" or not self._facts.get("size"):
            raise SheetError(self.path, "is a folder, or empty", "name a file")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Errors of the services' libraries in our words: each raises kinds of its own."""
        try:
            yield
        except SheetError:
            raise
        except ImportError as error:
            what = f"is in a bucket, which {PACKAGES[self.kind]} reads: {error}"
            raise SheetError(self.path, what, "pip install 'geoseg[remote]'") from error
        except FileNotFoundError as error:
            raise SheetError(self.path, "is not there", "check the address") from error
        except Exception as error:
            name = type(error).__name__
            if name == "FileExpired":  # what s3fs says of another ETag
                raise changed(self.path) from error
            if isinstance(error, PermissionError) or "Credentials" in name or "Authent" in name:
                raise SheetError(self.path, f"may not be read ({name})", _CREDENTIALS[self.kind]) from error
            cure = "run geoseg tile and infer again when it answers"
            said = "".join(c for c in re.sub(r"[?&]\S*", "", str(error))[:200] if c.isprintable())  # no signatures
            raise SheetAway(self.path, f"cannot be read from its bucket: {name}: {said}", cure) from error


def _seconds(value: object) -> int:
    """Seconds since 1970 of a time as the libraries give it: a datetime, or text; 0 for anything else."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    return int(value.timestamp()) if isinstance(value, datetime) else 0

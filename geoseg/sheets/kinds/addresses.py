"""Addresses of remote sheets: https://, s3://, gs:// and az://.

Everywhere else they are paths, which have one slash where an address has two: https:/host/a.tif.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from geoseg.errors import UsageError

__all__ = ["LOOPBACK", "address_of", "check_address", "is_remote"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts that may be asked without encryption: this machine."""
_START = re.compile(r"(https?|s3|gs|az):/+", re.IGNORECASE)
_DOWNLOAD = "download it and name the file"


def is_remote(path: Path | str) -> bool:
    """Whether a path stands for an address."""
    return _START.match(str(path)) is not None


def address_of(path: Path | str) -> str:
    """The address that a path stands for."""
    found = _START.match(str(path))
    assert found is not None, path  # `is_remote` was asked first
    return f"{found[1].lower()}://{str(path)[found.end() :]}"


def check_address(path: Path | str) -> None:
    """Refuse addresses that hold a secret, that are not encrypted, or that stand for many files.

    Raises:
        UsageError: it does, without the part of it that may be secret.
    """
    address = address_of(path)
    shown, query = re.match(r"([^?#]*)(.*)", address, re.DOTALL).groups()  # type: ignore[union-attr]  # it always does
    if "@" in address:
        shown = re.sub(r"//.*@", "//", shown, flags=re.DOTALL)
        cure = "give them in the environment, as the tools of that service read them"
        raise UsageError(shown, "is an address with a user or a password (@), which would be written down", cure)
    if query:
        what = "is an address with a query or a mark (?, #); it may be a signature, which would be written down"
        raise UsageError(shown, what, f"name the address without it, or {_DOWNLOAD}")
    if set(shown.partition("://")[2].partition("/")[2]) & set("*[]") or shown.endswith("/"):
        raise UsageError(shown, "is an address of many files, expected one", "name each, or list them in a .txt file")
    try:
        parts = urlsplit(shown)
        known = bool(parts.hostname and parts.path.strip("/")) and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known or not shown.isprintable():
        raise UsageError(shown, "is no address of a file", "for instance https://host/a.tif or s3://bucket/a.tif")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UsageError(shown, "is not encrypted (http)", f"name it with https, or {_DOWNLOAD}")

"""The zip archives of torch: read with limits, and written anew, so that torch gets what was checked and nothing else.

Two readers of zip can disagree about a crafted archive (names given twice, two directories). A copy made of checked
entries leaves nothing to disagree about.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from geoseg.errors import ModelError

__all__ = ["AGAIN", "archive_names", "pack", "read_archive", "weights_archive"]

AGAIN = "export it again with torch's own functions"
"""The cure for archives that no torch writes."""
MOST_ENTRIES = 100_000
MOST_PACKED = 256 << 20
"""Bytes that packed entries may come to: torch packs code, which is small."""
_KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FACTS = ("version", ".data/version", "byteorder", ".format_version", ".storage_alignment")


def archive_names(path: Path, data: bytes) -> list[str]:
    """The names in an archive, without the folder that holds them all; errors as of `read_archive`."""
    return list(_entries(path, data, lambda archive, info: b""))


def read_archive(path: Path, data: bytes) -> dict[str, bytes]:
    """The entries of an archive by name, without the folder that holds them all.

    Raises:
        ModelError: it is damaged, or is not as torch writes archives: each name once, in one folder.
    """
    return _entries(path, data, lambda archive, info: archive.read(info))


def _entries(path: Path, data: bytes, read: Callable[[zipfile.ZipFile, zipfile.ZipInfo], bytes]) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir()]
            _check_infos(path, infos, len(data))
            found = {i.filename: read(archive, i) for i in infos}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError, UnicodeError) as error:
        raise ModelError(path, f"is damaged: {error}", "copy it again") from error
    return {name.partition("/")[2]: content for name, content in found.items()}


def _check_infos(path: Path, infos: list[zipfile.ZipInfo], size: int) -> None:
    if not infos or len(infos) > MOST_ENTRIES:
        raise ModelError(path, f"holds {len(infos)} entries, expected 1 to {MOST_ENTRIES}", AGAIN)
    names = [i.filename for i in infos]
    odd = next((n for n in names if "\\" in n or ".." in n.split("/") or "/" not in n or not n.isprintable()), None)
    if odd is not None:
        raise ModelError(path, f"holds an entry named {odd!r}, expected FOLDER/NAME", AGAIN)
    if len({n.lower() for n in names}) < len(names):
        raise ModelError(path, "names an entry twice", AGAIN)
    if len({n.partition("/")[0] for n in names}) > 1:
        raise ModelError(path, "has several folders, expected one", AGAIN)
    if any(i.compress_type not in _KINDS or i.flag_bits & 1 for i in infos):
        raise ModelError(path, "has entries that are encrypted or packed in an unusual way", AGAIN)
    stored, packed = (sum(i.file_size for i in infos if i.compress_type == kind) for kind in _KINDS)
    if stored > size or packed > MOST_PACKED:
        raise ModelError(path, f"declares {stored + packed:,} bytes of entries in {size:,} bytes", AGAIN)


def pack(entries: dict[str, bytes]) -> io.BytesIO:
    """An archive of these entries, as torch reads it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(f"model/{name}", content)
    buffer.seek(0)
    return buffer


def weights_archive(path: Path, data: bytes) -> io.BytesIO:
    """A copy of an archive of torch.save with its pickle and its tensors only.

    Raises:
        ModelError: it is damaged, or is not as torch writes archives.
    """
    entries = read_archive(path, data)
    return pack({n: c for n, c in entries.items() if n in ("data.pkl", *_FACTS) or n.startswith("data/")})

"""The files that folders, patterns, lists and names mean, as users give them."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import UsageError
from geoseg.sheets.kinds.addresses import check_address, is_remote
from geoseg.sheets.kinds.erdas import is_erdas
from geoseg.sheets.kinds.world_file import world_files

__all__ = ["Listing", "find_sheets", "list_sheets"]

TIFF = (".tif", ".tiff")
SUFFIXES = (*TIFF, ".jp2", ".j2k")
PICTURES = (".png", ".jpg", ".jpeg")
"""Taken out of folders where a world file lies beside them."""
ERDAS = ".img"
"""Taken out of folders where they begin as ERDAS Imagine files: other programs write raw pixels under that name."""
RASTERS = (*PICTURES, ".vrt", ERDAS, ".ecw", ".sid", ".asc", ".bil", ".bip", ".bsq", ".nc", ".hdf", ".dem", ".zip")
"""What may hold photos, but is not taken out of folders."""

_LABELS = re.compile(r"(^|[_ -])(labels?|masks?|gt|ground_?truth|annotations?)([_ -]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Listing:
    """Absolute paths of all sheets that are named, in order, each once.

    `searched`: folders that stood for what is in them; `passed_over`: how many files or folders of each kind were not
    taken out of them.
    """

    paths: tuple[Path, ...]
    searched: tuple[Path, ...] = ()
    passed_over: tuple[tuple[str, int], ...] = ()

    @property
    def said(self) -> str:
        """What was passed over, in words; "" for nothing."""
        return ", ".join(f"{count} {kind}" for kind, count in self.passed_over)


def find_sheets(sheets: Sequence[Path]) -> list[Path]:
    """The paths of `list_sheets`, for folders without their subfolders."""
    return list(list_sheets(sheets, subfolders=False).paths)


def list_sheets(
    sheets: Sequence[Path], *, subfolders: bool = True, is_run: Callable[[Path], bool] = lambda _: False
) -> Listing:
    """All sheets that are named.

    A folder stands for the GeoTIFF, JPEG 2000 and ERDAS Imagine files in it and in its subfolders, and for PNG and
    JPEG with a world file beside them; run folders, folders of labels and hidden ones are left out. A pattern
    (sheets/**/2024*.tif) stands for those that match, a list (.txt) for the path or address in each of its lines;
    anything else is a sheet.

    Args:
        sheets: as users name them.
        subfolders: whether folders are searched with their subfolders.
        is_run: tells run folders, which are passed over.

    Raises:
        UsageError: nothing is named, or nothing is there; or an address that may hold a secret.
    """
    paths: list[Path] = []
    searched: list[Path] = []
    passed: Counter[str] = Counter()
    for path in sheets:
        if is_remote(path):
            check_address(path)
            paths.append(path)
        elif path.is_dir():
            searched.append(path)
            paths += _in_folder(path, subfolders, is_run, passed)
        elif path.suffix.lower() == ".txt":
            paths += _read_list(path)
        elif any(c in str(path) for c in "*?[") and not path.exists():
            paths += _matching(path)
        else:
            paths.append(path)
    unique = tuple(dict.fromkeys(p if is_remote(p) else p.absolute() for p in paths))
    listing = Listing(unique, tuple(searched), tuple(sorted(passed.items())))
    if not unique:
        named = ", ".join(map(str, sheets)) or "SHEETS"
        found = f"no sheet there (passed over: {listing.said})" if passed else "no sheet there"
        raise UsageError(named, found, "name files, or folders that hold .tif or .jp2 files")
    return listing


def _in_folder(root: Path, subfolders: bool, is_run: Callable[[Path], bool], passed: Counter[str]) -> list[Path]:
    """The sheets in a folder, in order; counts what is passed over."""
    found = []
    for path in sorted(_files(root, subfolders, is_run, passed)):
        suffix = path.suffix.lower()
        placed = suffix in PICTURES and any(w.is_file() for w in world_files(path))
        if suffix in SUFFIXES or placed or (suffix == ERDAS and is_erdas(path)):
            found.append(path)
        elif suffix in RASTERS:
            passed[f"{suffix} without a world file" if suffix in PICTURES else suffix] += 1
    return found


def _files(root: Path, subfolders: bool, is_run: Callable[[Path], bool], passed: Counter[str]) -> Iterator[Path]:
    """Files in a folder and its subfolders that may be sheets, hidden ones left out."""
    for place, folders, names in os.walk(root, onerror=_cannot_list):
        here = Path(place)
        yield from (here / n for n in names if not n.startswith("."))
        kept = []
        for name in folders if subfolders and not is_run(here) else []:
            if name.startswith("."):
                continue
            if (here / name).is_symlink():
                passed["links to folders"] += 1
                yield here / name  # opening what is named like a sheet says what it is
                continue
            if is_run(here / name):
                passed["run folders"] += 1
            elif _LABELS.search(name):
                passed["folders of labels"] += 1
            else:
                kept.append(name)
        folders[:] = sorted(kept)


def _cannot_list(error: OSError) -> None:
    raise UsageError(error.filename, f"cannot be listed: {error.strerror}", "check its permissions") from error


def _matching(pattern: Path) -> list[Path]:
    """Files that match a pattern, `**` for any folders, in order; hidden ones only where the pattern names them."""
    found = (Path(p) for p in glob.glob(str(pattern), recursive=True))
    kinds = (".vrt",) if pattern.suffix.lower() == ".vrt" else (*SUFFIXES, *PICTURES, ERDAS)
    return sorted(p for p in found if p.suffix.lower() in kinds and p.is_file())


def _read_list(path: Path) -> list[Path]:
    """Paths and addresses in a text file, relative paths from its folder.

    Empty lines and those that begin with # are left out.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            path, f"cannot be read as a list of sheets: {error}", "write one path in each line, in UTF-8"
        ) from error
    return [_listed(path.parent, line) for line in lines if line and not line.startswith("#")]


def _listed(folder: Path, line: str) -> Path:
    """What a line of a list names: a file, or an address.

    Raises:
        UsageError: an address that may hold a secret, or is not one of a file.
    """
    if not is_remote(line):
        return folder / line
    check_address(line)
    return Path(line)

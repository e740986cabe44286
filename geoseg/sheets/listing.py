"""The files that folders, patterns, lists and names mean, as users give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geoseg.errors import UsageError

__all__ = ["find_sheets"]

SUFFIXES = (".tif", ".tiff")


def find_sheets(sheets: Sequence[Path]) -> list[Path]:
    """Absolute paths of all sheets that are named, in order, each once.

    A folder stands for the GeoTIFFs in it, a pattern (sheets/2024*.tif) for those that match, a list (.txt) for the
    path in each of its lines; anything else is a sheet.

    Raises:
        UsageError: nothing is named, or nothing is there.
    """
    paths: list[Path] = []
    for path in sheets:
        if path.is_dir():
            paths += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        elif path.suffix.lower() == ".txt":
            paths += _read_list(path)
        elif any(c in path.name for c in "*?[") and not path.exists():
            found = (p for p in path.parent.glob(path.name) if not p.name.startswith("."))
            paths += sorted(p for p in found if p.suffix.lower() in SUFFIXES)
        else:
            paths.append(path)
    unique = list(dict.fromkeys(p.absolute() for p in paths))
    if not unique:
        named = ", ".join(map(str, sheets)) or "SHEETS"
        raise UsageError(named, "no GeoTIFF there", "name files, or folders that hold .tif files")
    return unique


def _read_list(path: Path) -> list[Path]:
    """Paths in a text file, relative ones from its folder; empty lines and those that begin with # are left out."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            path, f"cannot be read as a list of sheets: {error}", "write one path in each line, in UTF-8"
        ) from error
    return [path.parent / line for line in lines if line and not line.startswith("#")]

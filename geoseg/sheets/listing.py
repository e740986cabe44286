"""Which files are the sheets: folders, patterns, lists and names, as users give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geoseg.errors import UsageError

__all__ = ["find_sheets"]

SUFFIXES = (".tif", ".tiff")


def find_sheets(sheets: Sequence[Path]) -> list[Path]:
    """Files as named, folders as the GeoTIFFs in them, patterns (sheets/2024*.tif), lists (.txt, a path in each line), in order, each once.

    Raises:
        UsageError: nothing named, or nothing there.
    """
    paths: list[Path] = []
    for path in sheets:
        if path.is_dir():
            paths += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        elif path.suffix.lower() == ".txt":
            paths += _listed(path)
        elif any(c in path.name for c in "*?[") and not path.exists():
            found = (p for p in path.parent.glob(path.name) if not p.name.startswith("."))
            paths += sorted(p for p in found if p.suffix.lower() in SUFFIXES)
        else:
            paths.append(path)
    unique = list(dict.fromkeys(p.absolute() for p in paths))
    if not unique:
        raise UsageError(
            ", ".join(map(str, sheets)) or "SHEETS", "no GeoTIFF there", "name files, or folders that hold .tif files"
        )
    return unique


def _listed(path: Path) -> list[Path]:
    """Paths in a text file, relative ones from its folder; empty lines and lines with # are left out."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(path, f"cannot be read as a list of sheets: {error}", "one path in each line") from error
    return [path.parent / line for line in lines if line and not line.startswith("#")]

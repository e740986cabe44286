"""Folders that hold several sets of sheets over the same ground: nobody guesses which is meant."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from geoseg.datasets.pairs import stem_of
from geoseg.errors import UsageError
from geoseg.geometry.grid import overlap
from geoseg.plan import Sheet

__all__ = ["check_one_set"]

SAME = 0.9
"""Share of a sheet's pixels from which on another one of its name lies over the same ground."""


def check_one_set(placed: list[Sheet], searched: Sequence[Path]) -> None:
    """Refuse sheets that were found in folders and come in several sets, such as RGB and IRRG of the same ground.

    Args:
        placed: sheets on the grid.
        searched: the folders; files that were named one by one are not looked at.

    Raises:
        UsageError: lists the sets, with a pattern for each.
    """
    for root in searched:
        inside = [s for s in placed if root.absolute() in Path(s.path).parents]
        sets = _sets_over_same_ground(inside)
        if sets:
            counts = Counter(_set_of(s) for s in inside)
            words = "; ".join(f"'{pattern}' ({counts[pattern]} sheets)" for pattern in sorted(sets))
            what = f"holds {len(sets)} sets of sheets over the same ground: {words}"
            raise UsageError(root, what, "name one of these patterns")


def _sets_over_same_ground(sheets: list[Sheet]) -> set[str]:
    by_stem: dict[str, list[Sheet]] = defaultdict(list)
    for sheet in sheets:
        by_stem[stem_of(Path(sheet.path))].append(sheet)
    found: set[str] = set()
    for alike in by_stem.values():
        for i, one in enumerate(alike):
            for other in alike[:i]:
                if _set_of(one) != _set_of(other) and _lie_together(one, other):
                    found |= {_set_of(one), _set_of(other)}
    return found


def _set_of(sheet: Sheet) -> str:
    """The pattern of the files that belong together with a sheet: its folder, and the last word of its name."""
    path = Path(sheet.path)
    ending = path.stem[len(stem_of(path)) :]
    return str(path.parent / f"*{ending}{path.suffix}")


def _lie_together(one: Sheet, other: Sheet) -> bool:
    common = overlap(one.window, other.window)
    if common is None:
        return False
    smaller = min(w.width * w.height for w in (one.window, other.window))
    return bool(common.width * common.height >= SAME * smaller)

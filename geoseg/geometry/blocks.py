"""Blocks of the output, and the panels and shards that share them out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from rasterio.windows import Window

__all__ = ["Block", "Panel", "block_window", "blocks_of", "panels_of", "shard_of"]


Block = tuple[int, int]
"""(row, column) of a block, counted from the anchor, negative ones too."""


@dataclass(frozen=True)
class Panel:
    """Rectangle around some blocks that one worker streams through: rows row0 .. row1 - 1, columns col0 .. col1 - 1.

    Other blocks may lie in it too; they belong to another panel.
    """

    row0: int
    row1: int
    col0: int
    col1: int
    size: int
    blocks: tuple[Block, ...]

    @property
    def window(self) -> Window:
        """Its pixels."""
        high, wide = self.row1 - self.row0, self.col1 - self.col0
        return Window(self.col0 * self.size, self.row0 * self.size, wide * self.size, high * self.size)


def block_window(block: Block, size: int) -> Window:
    """Pixels of one block."""
    return Window(block[1] * size, block[0] * size, size, size)


def blocks_of(windows: Iterable[Window], size: int) -> list[Block]:
    """Blocks that hold at least one pixel of any window, in row order."""
    found: set[Block] = set()
    for w in windows:
        rows = range(w.row_off // size, (w.row_off + w.height - 1) // size + 1)
        cols = range(w.col_off // size, (w.col_off + w.width - 1) // size + 1)
        found.update((r, c) for r in rows for c in cols)
    return sorted(found)


def _runs(numbers: Iterable[int], longest: int) -> list[tuple[int, int]]:
    """Consecutive numbers as (first, last + 1), cut at `longest`."""
    runs: list[tuple[int, int]] = []
    for _, group in groupby(enumerate(sorted(set(numbers))), lambda p: p[1] - p[0]):
        members = [n for _, n in group]
        runs += [(a, min(a + longest, members[-1] + 1)) for a in range(members[0], members[-1] + 1, longest)]
    return runs


def panels_of(blocks: Iterable[Block], size: int, widest: int, wished: int = 1) -> list[Panel]:
    """Panels that hold each block once: rectangles around blocks that touch, `widest` columns at most, no empty rows.

    So a few blocks far apart take no more memory than one. Panels are only a schedule: results do not depend on it.

    Cut into fewer rows, and then into fewer columns, until there are as many as are `wished` for, or each is one
    block; patches at the cuts are scored twice.
    """
    todo = set(blocks)
    tallest = len({r for r, _ in todo}) or 1
    panels = _panels(todo, size, widest, tallest)
    while len(panels) < wished and (tallest > 1 or widest > 1):
        tallest, widest = (-(-tallest // 2), widest) if tallest > 1 else (1, -(-min(widest, len(todo)) // 2))
        panels = _panels(todo, size, widest, tallest)
    return panels


def shard_of(blocks: Iterable[Block], index: int, count: int) -> list[Block]:
    """The blocks of shard `index` (0 to count - 1): neighbours in row order, shares that differ by one at most."""
    ordered = sorted(blocks)
    return ordered[index * len(ordered) // count : (index + 1) * len(ordered) // count]


def _panels(todo: set[Block], size: int, widest: int, tallest: int) -> list[Panel]:
    panels: list[Panel] = []
    for group in _touching(todo):
        for col0, col1 in _runs((c for _, c in group), widest):
            inside = {(r, c) for r, c in group if col0 <= c < col1}
            for row0, row1 in _runs((r for r, _ in inside), tallest):
                here = sorted((r, c) for r, c in inside if row0 <= r < row1)
                cols = [c for _, c in here]
                panels.append(Panel(row0, row1, min(cols), max(cols) + 1, size, tuple(here)))
    return sorted(panels, key=lambda p: (p.row0, p.col0))


def _touching(blocks: set[Block]) -> list[set[Block]]:
    """Groups of blocks that touch by a side.

    Blocks that touch by a corner only share few patches, and would make wide panels.
    """
    left, groups = set(blocks), []
    while left:
        edge = [left.pop()]
        group = set(edge)
        while edge:
            row, col = edge.pop()
            near = {(row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)} & left
            left -= near
            group |= near
            edge += near
        groups.append(group)
    return groups

"""The lattice: all overlapping patch windows, the weights they blend with, and the panels that stream through them.

Along one axis patch k starts at k S - margin (S = patch - overlap, positions counted from the anchor), so its weights are
positive on [k S, k S + P - 2 margin). Patches overhang the data; none is pulled back, so nothing moves when sheets are added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from geoseg.errors import UsageError

__all__ = ["Block", "Lattice", "Panel", "block_window", "blocks_of", "panels_of", "shard_of"]

Block = tuple[int, int]
"""(row, column) of a block, counted from the anchor, negative ones too."""


@dataclass(frozen=True)
class Lattice:
    """Patch side P, overlap O and margin in pixels of the grid; 0 <= 2 margin < O < P (O = margin = 0: no blending)."""

    patch: int
    overlap: int
    margin: int = 0

    def __post_init__(self) -> None:
        if self.patch < 1:
            raise UsageError("--patch-size", f"{self.patch} px, expected at least 1")
        if not 0 <= self.overlap < self.patch:
            raise UsageError("--overlap", f"{self.overlap} px, expected 0 to {self.patch - 1}", "patches must move on")
        if self.margin < 0 or (self.margin and 2 * self.margin >= self.overlap):
            raise UsageError(
                "--overlap",
                f"{self.overlap} px is too little for a margin of {self.margin} px at each side of a patch",
                f"more than {2 * self.margin} px",
            )

    @property
    def stride(self) -> int:
        """Pixels from one patch to the next."""
        return self.patch - self.overlap

    def start(self, index: int) -> int:
        """First pixel of patch `index` along one axis."""
        return index * self.stride - self.margin

    def touching(self, first: int, last: int) -> range:
        """Patches along one axis whose positive weights reach pixels first .. last - 1."""
        reach = self.patch - 2 * self.margin
        return range((first - reach) // self.stride + 1, -(-last // self.stride))

    def window(self, row: int, col: int) -> Window:
        """Window of one patch."""
        return Window(self.start(col), self.start(row), self.patch, self.patch)

    def weights(self) -> npt.NDArray[np.float32]:
        """Weights (P,) along one axis: 0 in the margin, cosine tapers, 1 between; those of all patches at a pixel add to 1.

        A patch's weights are the outer product of two of these.
        """
        inner = self.patch - 2 * self.margin
        taper = min(self.overlap - 2 * self.margin, inner // 2)
        ramp = np.sin(0.5 * np.pi * (np.arange(taper) + 0.5) / max(1, taper)) ** 2
        raw = np.zeros(self.patch)
        raw[self.margin : self.patch - self.margin] = 1
        raw[self.margin : self.margin + taper] = ramp
        raw[self.patch - self.margin - taper : self.patch - self.margin] = ramp[::-1]
        total = np.zeros(self.stride)
        for start in range(0, self.patch, self.stride):
            part = raw[start : start + self.stride]
            total[: len(part)] += part
        return (raw / np.resize(total, self.patch)).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Plain dict."""
        return {"patch": self.patch, "overlap": self.overlap, "margin": self.margin}


@dataclass(frozen=True)
class Panel:
    """Rectangle around some blocks that one worker streams through: rows row0 .. row1 - 1, columns col0 .. col1 - 1.

    Others may lie in it too; they are another panel's.
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
    """Panels that hold each block once: blocks that touch, then columns without a gap, at most `widest` of them, then rows without a gap.

    So a few blocks far apart take no more memory than one.

    Cut into fewer rows, and then into fewer columns, until there are as many as are `wished` for, or each is one block; patches at the cuts are scored
    twice. Only a schedule: results do not depend on it.
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
    """Groups of blocks that touch by a side: those that touch by a corner share few patches, and would make wide panels."""
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

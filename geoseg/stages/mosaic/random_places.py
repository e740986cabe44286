"""Places drawn at random, stratified by class, from which the accuracy of a map is estimated.

Each pixel gets a number that follows from a seed and its place on the grid alone. The pixels of a class with the
smallest numbers are its sample: the same one in whatever order the pixels are read, in one pass and in little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.arrays import Bytes, Ints
from geoseg.classes import NODATA
from geoseg.kernel import kernel

__all__ = ["PLACES", "Drawn", "allocation", "nothing_drawn", "seed_of", "with_pixels"]

PLACES = 100
"""Random places of a map."""
LEAST, FEWEST = 8, 2
"""The fewest places of a class that has as many pixels; the same where there are many classes: a variance needs two."""

Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Drawn:
    """The pixels drawn so far.

    Attributes:
        numbers: of the pixels (256, PLACES) by class value, ascending; the greatest possible where there is none.
        pixels: row and column (256, PLACES, 2) of these pixels on the grid.
        counts: pixels (256,) of each value seen so far.
    """

    numbers: Numbers
    pixels: Ints
    counts: Ints


def nothing_drawn() -> Drawn:
    """No pixel yet."""
    numbers = np.full((256, PLACES), np.iinfo(np.uint64).max, np.uint64)
    return Drawn(numbers, np.zeros((256, PLACES, 2), np.int64), np.zeros(256, np.int64))


def seed_of(text: str) -> int:
    """A number of 64 bits that follows from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def with_pixels(drawn: Drawn, classes: Bytes, at: tuple[int, int], seed: int) -> Drawn:
    """What is drawn once a window was looked at.

    Args:
        drawn: from the windows before it; no two of them share a pixel.
        classes: class values (H, W), 255 without data.
        at: row and column of its first pixel on the grid.
        seed: of 64 bits.
    """
    return Drawn(
        *_draw(np.ascontiguousarray(classes), at, np.uint64(seed), (drawn.numbers, drawn.pixels, drawn.counts))
    )


@kernel
def _number(row: int, col: int, seed: np.uint64) -> np.uint64:
    """A number that looks like chance: SplitMix64 (Steele, Lea, Flood 2014) of the row, then of the column."""
    x = seed
    for k in range(2):
        x ^= np.uint64(row) if k == 0 else np.uint64(col)
        x += np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return x


@kernel
def _draw(
    classes: Bytes, at: tuple[int, int], seed: np.uint64, before: tuple[Numbers, Ints, Ints]
) -> tuple[Numbers, Ints, Ints]:
    """Numbers, pixels and counts with those of a window."""
    numbers, pixels, counts = before[0].copy(), before[1].copy(), before[2].copy()
    most = numbers.shape[1]
    for r in range(classes.shape[0]):
        for c in range(classes.shape[1]):
            v = classes[r, c]
            if v == NODATA:
                continue
            counts[v] += 1
            number = _number(at[0] + r, at[1] + c, seed)
            if number >= numbers[v, most - 1]:
                continue
            k = most - 1
            while k > 0 and numbers[v, k - 1] > number:
                numbers[v, k] = numbers[v, k - 1]
                pixels[v, k] = pixels[v, k - 1]
                k -= 1
            numbers[v, k] = number
            pixels[v, k, 0], pixels[v, k, 1] = at[0] + r, at[1] + c
    return numbers, pixels, counts


def allocation(counts: Mapping[int, int], places: int = PLACES) -> dict[int, int]:
    """How many places each class gets: some each, the rest by its share of the map (Olofsson et al. 2014, 5.2).

    Args:
        counts: pixels by class value.
        places: wished in all; more where there are so many classes that `FEWEST` each are more, less where there are
            fewer pixels.
    """
    there = {v: n for v, n in sorted(counts.items()) if n}
    if not there:
        return {}
    base = max(FEWEST, min(LEAST, places // (2 * len(there))))
    rest, whole = max(0, places - base * len(there)), sum(there.values())
    exact = {v: rest * n / whole for v, n in there.items()}
    given = {v: base + int(x) for v, x in exact.items()}
    left = rest - sum(int(x) for x in exact.values())
    for v in sorted(there, key=lambda v: (int(exact[v]) - exact[v], v))[:left]:
        given[v] += 1
    return {v: min(n, there[v], PLACES) for v, n in given.items()}

"""The interface of a backend: it takes rows of pixels, scores patches, and blends their scores in a strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from geoseg.arrays import Bytes, Floats, Image, Valid
from geoseg.geometry.lattice import Lattice

__all__ = ["AnyStrip", "Backend", "Loaded", "Pending", "Rows", "Scores"]

Loaded = Any
"""Rows as a backend keeps them: arrays, or tensors on its device."""
Scores = Any
"""Float scores (K, P, P) of a patch or (n, K, P, P) of several: an array, or a tensor on the backend's device."""


@dataclass(frozen=True)
class Rows:
    """The rows of one patch row: P rows from `top` on of a buffer `image` (C, R, W) and its validity `valid` (R, W)."""

    image: Image
    valid: Valid
    top: int


class AnyStrip(Protocol):
    """A strip as `stream_panel` uses it; see `blend.Strip`."""

    def add(self, scores: Scores, col: int) -> None:
        """Add the scores of one patch, whose weighted inside starts at this column of the panel."""

    def divide(self, sums: Floats, col: int) -> None:
        """Divide the first rows from a column on by the sums (rows, W) of the weights that were added there."""

    def shares(self, rows: int) -> Bytes:
        """Softmax of the first rows in percent, (K, rows, W)."""

    def beside(self, good: Valid) -> Bytes:
        """Scores beside the classes of the first rows, (A, rows, W) in percent, 255 where not good."""

    def finish(self, good: Valid) -> tuple[Bytes, Bytes]:
        """Class and confidence of the first rows, 255 where not good; moves the strip on by them."""


class Pending(Protocol):
    """Scores that are on their way; a Future is one."""

    def result(self) -> Scores:
        """Wait for them."""


class Backend(Protocol):
    """Scores and blends patches. `batch`: patches to a call; `depth`: calls that may be under way at a time."""

    batch: int
    depth: int

    def strip(self, lattice: Lattice, width: int) -> AnyStrip:
        """An empty strip for a panel of so many columns."""

    def load(self, rows: Rows, side: int) -> Loaded:
        """Take the rows of one patch row, of patches of this side."""

    def submit(self, rows: Loaded, cols: list[int], side: int) -> Pending:
        """Scores (n, K, P, P) of the patches that start at these columns of the rows."""

    def close(self) -> None:
        """Stop its threads."""

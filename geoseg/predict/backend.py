"""What a backend is: it takes rows of pixels, scores patches and blends them in a strip."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from geoseg.arrays import Bytes, Image, Valid
from geoseg.geometry.lattice import Lattice

__all__ = ["AnyStrip", "Backend", "Rows"]


@dataclass(frozen=True)
class Rows:
    """The rows of one patch row: P rows from `top` on of a buffer `image` (C, R, W) and its validity `valid` (R, W)."""

    image: Image
    valid: Valid
    top: int


class AnyStrip(Protocol):
    """What `stream_panel` needs of a strip; see `blend.Strip`."""

    def add(self, scores: Any, col: int) -> None:
        """Add one patch."""

    def shares(self, rows: int) -> Bytes:
        """Softmax of the first rows."""

    def finish(self, good: Valid) -> tuple[Bytes, Bytes]:
        """Class and confidence of the first rows, 255 where not good."""


class Backend(Protocol):
    """Where patches are scored and blended."""

    batch: int
    depth: int

    def strip(self, lattice: Lattice, width: int) -> AnyStrip:
        """An empty strip for a panel of this width."""

    def load(self, rows: Rows, side: int) -> Any:
        """Take over the rows of one patch row."""

    def submit(self, rows: Any, cols: list[int], side: int) -> Future[Any]:
        """Scores of the patches that start at these columns of the rows."""

    def close(self) -> None:
        """Stop what works in the background."""

"""The lattice: all overlapping patch windows, and the panels that stream through them.

Along one axis patch k starts at k S - margin (S = patch - overlap, positions counted from the anchor), so its weights
are positive on [k S, k S + P - 2 margin). Patches overhang the data; none is pulled back, so nothing moves when
sheets are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rasterio.windows import Window

from geoseg.errors import UsageError

__all__ = ["Lattice"]


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

    def to_json(self) -> dict[str, Any]:
        """Plain dict."""
        return {"patch": self.patch, "overlap": self.overlap, "margin": self.margin}

"""The lattice: all overlapping patch windows, the weights they blend with, and the panels that stream through them.

Along one axis patch k starts at k S - margin (S = patch - overlap, positions counted from the anchor), so its weights
are positive on [k S, k S + P - 2 margin). Patches overhang the data; none is pulled back, so nothing moves when
sheets are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
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

    def weights(self) -> npt.NDArray[np.float32]:
        """Weights (P,) along one axis: 0 in the margin, cosine tapers, 1 between; all those at a pixel add up to 1.

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

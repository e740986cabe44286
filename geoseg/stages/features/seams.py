"""Seams: the check that the pieces of a coverage that was made sector by sector fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from geoseg.arrays import Ints
from geoseg.geometry.sectors import Sectors
from geoseg.stages.features.piece import Checks
from geoseg.vectorize.coverage import fit_within

__all__ = ["Seams"]


@dataclass
class Seams:
    """Figures of a coverage that is made in pieces.

    They are added up as the pieces come. `unfit`: numbers of the districts whose pieces do not fit.
    """

    polygons: int = 0
    vertices: int = 0
    invalid: int = 0
    matched: bool = True
    gap: float = 0.0
    overlap: float = 0.0
    sectors: int = 0
    districts: int = 0
    pixels: dict[str, float] = field(default_factory=dict)
    unfit: set[int] = field(default_factory=set)

    def add(self, number: int, sectors: Sectors, found: list[Checks], edges: Ints) -> None:
        """Add the pieces of one district: they must be as large as their cores, and their unshared edges be the frame.

        Args:
            number: of the district.
            sectors: its sectors.
            found: figures of each piece.
            edges: those that the pieces do not share (`vectorize.coverage`).
        """
        self.districts += 1
        self.sectors += len(found)
        area = sum(c["area"] for c in found)
        missing = sectors.pixels() - area
        small = 1e-6 + 1e-10 * area  # areas are multiples of 1/8192 and add up exactly, up to 1e12 pixels
        self.gap += missing if missing > small else 0.0
        self.overlap -= missing if missing < -small else 0.0
        matched = all(c["matched"] for c in found) and fit_within([edges], sectors.frame())
        self.matched &= matched
        if not matched or abs(missing) > small:
            self.unfit.add(number)
        self.polygons += sum(c["polygons"] for c in found)
        self.vertices += sum(c["vertices"] for c in found)
        self.invalid += sum(c["invalid"] for c in found)
        for c in found:
            for name, pixels in c["pixels"].items():
                self.pixels[name] = self.pixels.get(name, 0.0) + pixels

    def figures(self, gsd: float, before: Mapping[str, int]) -> dict[str, object]:
        """Figures for run.json, in square metres and per cent; `before`: pixels of the class raster by class name."""
        change = {n: round(100 * (self.pixels.get(n, 0.0) - b) / b, 2) for n, b in before.items() if b}
        return {
            "polygons": self.polygons,
            "vertices": self.vertices,
            "invalid": self.invalid,
            "gap": round(self.gap * gsd**2, 3),
            "overlap": round(self.overlap * gsd**2, 3),
            "matched": self.matched,
            "area_change_percent": change,
            "districts": self.districts,
            "sectors": self.sectors,
        }

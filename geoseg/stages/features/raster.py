"""Class values and confidence on a grid: feature layers are made of nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import ClassTable
from geoseg.plan import Plan

__all__ = ["ClassRaster", "Reader"]


class Reader(Protocol):
    """Source of the pixels; `runfolder.blocks.BlockReader` is one."""

    def read(self, window: Window) -> tuple[Bytes, Bytes]:
        """Class and confidence (H, W) of a window; 255 where there is no data."""
        ...

    def shares(self, window: Window, count: int) -> Bytes:
        """Per cent of each of so many classes (K, H, W)."""
        ...

    def beside(self, window: Window, name: str) -> Bytes:
        """Per cent of a score beside the classes (H, W); 255 where there is none."""
        ...


@dataclass(frozen=True)
class ClassRaster:
    """A class raster: the plan says where it lies, the table what its values mean, the reader gives its pixels.

    `aux`: names of the scores beside the classes that the reader gives, too.
    """

    plan: Plan
    table: ClassTable
    reader: Reader
    aux: tuple[str, ...] = ()

    @property
    def extent(self) -> Window:
        """Bounding window of all sheets, cut to the area of interest."""
        return self.plan.extent

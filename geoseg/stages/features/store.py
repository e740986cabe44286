"""Rasters that one step of making vectors leaves for the next: one of each sector's core, read in larger windows.

Within one process and one sector they stay in memory; between processes they are files of the run folder, which go
when the mosaic is done (`work.parts`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import MemoryFile
from rasterio.windows import Window

from geoseg.arrays import Values
from geoseg.commit import commit_bytes
from geoseg.errors import PlanError
from geoseg.geometry.grid import overlap, slices
from geoseg.geometry.sectors import Sector

__all__ = ["FileStore", "MemoryStore", "Store", "read_window"]


class Store(Protocol):
    """A place where rasters of cores are kept, by the name of the step's result and by sector."""

    def put(self, name: str, sector: Sector, raster: Values) -> None:
        """Keep the raster of a core."""
        ...

    def get(self, name: str, sector: Sector, part: tuple[slice, slice]) -> Values:
        """Some rows and columns of a core's raster."""
        ...


@dataclass(frozen=True)
class MemoryStore:
    """Rasters in the memory of this process."""

    rasters: dict[tuple[str, Sector], Values] = field(default_factory=dict)

    def put(self, name: str, sector: Sector, raster: Values) -> None:
        """As `Store.put`."""
        self.rasters[name, sector] = raster

    def get(self, name: str, sector: Sector, part: tuple[slice, slice]) -> Values:
        """As `Store.get`."""
        return self.rasters[name, sector][part]


@dataclass(frozen=True)
class FileStore:
    """Rasters as files of a folder; `check` is called before each one is written, `written` are the files so far."""

    folder: Path
    check: Callable[[], None] = lambda: None
    suffix: str = ""
    written: list[Path] = field(default_factory=list)

    def put(self, name: str, sector: Sector, raster: Values) -> None:
        """As `Store.put`."""
        high, wide = raster.shape
        profile: dict[str, object] = {
            "driver": "GTiff",
            "compress": "zstd",
            "zstd_level": 1,
            "dtype": raster.dtype.name,
        }
        profile |= {"count": 1, "height": high, "width": wide}
        if min(high, wide) >= 512:
            profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512}
        with MemoryFile() as memory:
            with _no_place(), memory.open(**profile) as dataset:
                dataset.write(raster, 1)
            data = bytes(memory.getbuffer())
        self.check()
        commit_bytes(self._path(name, sector), data)
        self.written.append(self._path(name, sector))

    def get(self, name: str, sector: Sector, part: tuple[slice, slice]) -> Values:
        """As `Store.get`."""
        path = self._path(name, sector)
        rows, cols = part
        try:
            with _no_place(), rasterio.open(path, driver="GTiff") as dataset:
                found: Values = dataset.read(1, window=((rows.start, rows.stop), (cols.start, cols.stop)))
                return found
        except rasterio.errors.RasterioIOError as error:
            raise PlanError(path, f"cannot be read: {error}", "run geoseg mosaic again") from error

    def _path(self, name: str, sector: Sector) -> Path:
        return self.folder / f"{name}{self.suffix}_{sector[0]}_{sector[1]}.tif"


def _no_place() -> AbstractContextManager[object]:
    """Ignore that such rasters lie nowhere on Earth: that is fine."""
    return warnings.catch_warnings(action="ignore", category=rasterio.errors.NotGeoreferencedWarning)


def read_window(
    store: Store, name: str, window: Window, cores: Iterator[tuple[Sector, Window]], fill: int, dtype: npt.DTypeLike
) -> Values:
    """A window (H, W) put together from the cores that it meets; `fill` where there is none.

    Args:
        store: where the cores' rasters are.
        name: of the step's result.
        window: what is wanted.
        cores: sectors that the window meets, and the windows of their cores.
        fill: value outside all cores.
        dtype: of the raster.
    """
    out = np.full((window.height, window.width), fill, dtype)
    for sector, core in cores:
        both = overlap(core, window)
        if both is not None:
            out[slices(both, window)] = store.get(name, sector, slices(both, core))
    return out

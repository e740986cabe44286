"""What one step of making vectors leaves for the next: a raster of each sector's core, read again in windows that reach over to neighbours.

Within one process and one sector they stay in memory; between processes they are files of the run folder, which go when the mosaic is done (`kept_parts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import MemoryFile
from rasterio.windows import Window

from geoseg.commit import commit_bytes
from geoseg.errors import PlanError
from geoseg.geometry.grid import overlap, slices
from geoseg.geometry.sectors import Sector

__all__ = ["FileStore", "MemoryStore", "Store", "gathered"]

Raster = npt.NDArray[np.unsignedinteger]


class Store(Protocol):
    """Where the rasters are."""

    def put(self, name: str, sector: Sector, raster: Raster) -> None:
        """Keep the raster of a core."""
        ...

    def get(self, name: str, sector: Sector, part: tuple[slice, slice]) -> Raster:
        """Some rows and columns of it."""
        ...


@dataclass(frozen=True)
class MemoryStore:
    """Of this process."""

    rasters: dict[tuple[str, Sector], Raster] = field(default_factory=dict)

    def put(self, name: str, sector: Sector, raster: Raster) -> None:
        """As `Store.put`."""
        self.rasters[name, sector] = raster

    def get(self, name: str, sector: Sector, part: tuple[slice, slice]) -> Raster:
        """As `Store.get`."""
        return self.rasters[name, sector][part]


@dataclass(frozen=True)
class FileStore:
    """In a folder; `check` comes before each one is written, `written` are those that were."""

    folder: Path
    check: Callable[[], None] = lambda: None
    suffix: str = ""
    written: list[Path] = field(default_factory=list)

    def put(self, name: str, sector: Sector, raster: Raster) -> None:
        """As `Store.put`."""
        high, wide = raster.shape
        profile: dict[str, Any] = {"driver": "GTiff", "count": 1, "height": high, "width": wide, "dtype": raster.dtype.name,
                                   "compress": "zstd", "zstd_level": 1}  # fmt: skip
        if min(high, wide) >= 512:
            profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512}
        with MemoryFile() as memory:
            with _no_place(), memory.open(**profile) as dataset:
                dataset.write(raster, 1)
            data = bytes(memory.getbuffer())
        self.check()
        commit_bytes(self._path(name, sector), data)
        self.written.append(self._path(name, sector))

    def get(self, name: str, sector: Sector, part: tuple[slice, slice]) -> Raster:
        """As `Store.get`."""
        path = self._path(name, sector)
        rows, cols = part
        try:
            with _no_place(), rasterio.open(path, driver="GTiff") as dataset:
                found: Raster = dataset.read(1, window=((rows.start, rows.stop), (cols.start, cols.stop)))
                return found
        except rasterio.errors.RasterioError as error:
            raise PlanError(path, f"cannot be read: {error}", "run geoseg mosaic again") from error

    def _path(self, name: str, sector: Sector) -> Path:
        return self.folder / f"{name}{self.suffix}_{sector[0]}_{sector[1]}.tif"


def _no_place() -> Any:
    """Such rasters lie nowhere on Earth, and that is fine."""
    import warnings

    return warnings.catch_warnings(action="ignore", category=rasterio.errors.NotGeoreferencedWarning)


def gathered(
    store: Store, name: str, window: Window, cores: Iterator[tuple[Sector, Window]], fill: int, dtype: Any
) -> Raster:
    """A window (H, W) put together from the cores that it meets; `fill` where there is none."""
    out = np.full((window.height, window.width), fill, dtype)
    for sector, core in cores:
        both = overlap(core, window)
        if both is not None:
            out[slices(both, window)] = store.get(name, sector, slices(both, core))
    return out

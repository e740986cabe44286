"""Blocks of a run: one raster (class, confidence) and one committed record each.

A run resumes by the records. That a file exists, or opens, proves nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile
from rasterio.windows import Window

from geoseg.arrays import Bytes, Ints, Json
from geoseg.classes import NODATA
from geoseg.commit import commit_bytes, commit_state, read_json
from geoseg.errors import PlanError
from geoseg.geometry.blocks import Block, block_window
from geoseg.geometry.footprint import footprint_reach, kept_patches
from geoseg.geometry.grid import grown, overlap, slices
from geoseg.kernel import kernel
from geoseg.plan import Plan
from geoseg.runfolder.job import Job

__all__ = [
    "BlockPixels",
    "BlockPlace",
    "BlockReader",
    "Record",
    "block_key",
    "block_path",
    "read_record",
    "record_from_json",
    "shares_path",
    "write_block",
]


@dataclass(frozen=True)
class Record:
    """A committed block: the key of all that went into it, its file's hash and bytes, pixels per class value."""

    key: str
    sha256: str
    size: int
    counts: dict[int, int]
    seconds: float

    @property
    def pixels(self) -> int:
        """The number of pixels with data."""
        return sum(n for value, n in self.counts.items() if value != NODATA)

    def to_json(self) -> Json:
        """The record as JSON."""
        return asdict(self)


def record_from_json(value: Json) -> Record:
    """Inverse of `Record.to_json`.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    counts = {int(k): int(n) for k, n in value["counts"].items()}
    return Record(value["key"], value["sha256"], int(value["size"]), counts, float(value["seconds"]))


@kernel
def _histogram(values: Bytes) -> Ints:
    """Pixels per value; np.bincount would first make eight bytes of each."""
    counts = np.zeros(256, np.int64)
    for v in values:
        counts[v] += 1
    return counts


def _name(block: Block) -> str:
    return f"{block[0]}_{block[1]}"


@dataclass(frozen=True)
class BlockPixels:
    """Pixels of a block's region that holds sheets: class, confidence (H, W), shares (K, H, W) in percent or None.

    `beside`: scores beside the classes by their names, (H, W) in percent; they become bands of these names.
    """

    region: Window
    classes: Bytes
    confidence: Bytes
    shares: Bytes | None = None
    beside: Mapping[str, Bytes] = field(default_factory=dict)


def block_path(folder: Path, block: Block) -> Path:
    """The raster of a block."""
    return folder / f"{_name(block)}.tif"


def shares_path(folder: Path, block: Block) -> Path:
    """The raster of a block's class shares, which `infer --probabilities` writes."""
    return folder / "probabilities" / f"{_name(block)}.tif"


def _encode(plan: Plan, block: Block, region: Window, bands: list[Bytes], descriptions: list[str]) -> bytes:
    """A block's raster as a GeoTIFF: bands (H, W) of a region of it, 255 around them."""
    window = block_window(block, plan.block)
    inside = Window(region.col_off - window.col_off, region.row_off - window.row_off, region.width, region.height)
    profile: Json = {
        "driver": "GTiff",
        "width": plan.block,
        "height": plan.block,
        "count": len(bands),
        "dtype": "uint8",
        "crs": plan.grid.crs,
        "transform": plan.grid.window_transform(window),
        "nodata": NODATA,
        "interleave": "band",
        "compress": "zstd",
        "zstd_level": 1,
        "sparse_ok": True,
    }
    side = min(512, plan.block)
    profile |= {"tiled": True, "blockxsize": side, "blockysize": side} if plan.block % side == 0 else {}
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            for i, (band, text) in enumerate(zip(bands, descriptions, strict=True), 1):
                dataset.write(band, i, window=inside)
                dataset.set_band_description(i, text)
        return bytes(memory.getbuffer())


@dataclass(frozen=True)
class BlockPlace:
    """Where a block is written: its folder, the plan that it belongs to, and its number."""

    folder: Path
    plan: Plan
    block: Block


def write_block(place: BlockPlace, key: str, pixels: BlockPixels, names: list[str], seconds: float) -> Record:
    """Commit a block's raster (255 outside the region that was computed), then its record.

    Args:
        place: where the block belongs.
        key: hash of all that went into it.
        pixels: its region.
        names: class names, which describe the bands of the shares.
        seconds: time that computing it took.
    """
    folder, plan, block = place.folder, place.plan, place.block
    if pixels.shares is not None:
        commit_bytes(shares_path(folder, block), _encode(plan, block, pixels.region, list(pixels.shares), names))
    bands = {"class": pixels.classes, "confidence": pixels.confidence, **pixels.beside}
    data = _encode(plan, block, pixels.region, list(bands.values()), list(bands))
    sha = commit_bytes(block_path(folder, block), data)
    totals = _histogram(pixels.classes.ravel())
    totals[NODATA] += plan.block**2 - pixels.classes.size
    counts = {int(v): int(n) for v, n in enumerate(totals) if n}
    record = Record(key, sha, len(data), counts, round(seconds, 3))
    commit_state(block_path(folder, block).with_suffix(".json"), {**record.to_json(), "state": "done"})
    return record


def read_record(folder: Path, block: Block) -> Record | None:
    """The committed record of a block whose raster is there at its full size; None where the block must be computed."""
    path = block_path(folder, block)
    try:
        record = record_from_json(read_json(path.with_suffix(".json")))
        return record if path.stat().st_size == record.size else None
    except (PlanError, OSError, ValueError, KeyError, TypeError):
        return None  # missing or damaged: the block is computed again


class BlockReader:
    """Class and confidence of any window; 255 where there is no block. Each file's hash is checked once."""

    def __init__(self, folder: Path, plan: Plan, blocks: Iterable[Block]) -> None:
        self.folder, self.plan, self.blocks = folder, plan, set(blocks)
        self._checked: set[Block] = set()

    def block(self, block: Block) -> tuple[Bytes, Bytes]:
        """Class and confidence (B, B) of one block.

        Raises:
            PlanError: its file cannot be read, or is not the one that was committed.
        """
        part = self._read(block, Window(0, 0, self.plan.block, self.plan.block))
        return part[0], part[1]

    def _read(self, block: Block, part: Window, band: str = "") -> Bytes:
        """Class and confidence of a part of a block, or the band of a name; no band (0, H, W) where it has not any."""
        path = block_path(self.folder, block)
        try:
            if block not in self._checked:
                record = read_record(self.folder, block)
                if record is None or hashlib.sha256(path.read_bytes()).hexdigest() != record.sha256:
                    raise PlanError(path, "is not what was committed", "delete it and run geoseg infer again")
                self._checked.add(block)
            with rasterio.open(path, driver="GTiff") as dataset:
                bands = [i for i, name in enumerate(dataset.descriptions, 1) if name == band] if band else [1, 2]
                if not bands:
                    return np.zeros((0, int(part.height), int(part.width)), np.uint8)
                return np.asarray(dataset.read(bands, window=part), np.uint8)
        except (OSError, rasterio.errors.RasterioError) as error:
            raise PlanError(path, f"cannot be read: {error}", "delete it and run geoseg infer again") from error

    def shares(self, window: Window, count: int) -> Bytes:
        """Shares of so many classes in percent, (K, H, W) uint8; 0 where there is no data.

        Raises:
            PlanError: the run was made without them.
        """
        out = np.zeros((count, window.height, window.width), np.uint8)
        for block, both, inside in self._meeting(window):
            path = shares_path(self.folder, block)
            try:
                with rasterio.open(path, driver="GTiff") as dataset:
                    part = dataset.read(window=inside)
            except (OSError, rasterio.errors.RasterioError) as error:
                cure = "run geoseg infer with --probabilities, or mosaic without --smooth"
                what = "is missing or cannot be read: there are no class shares to smooth"
                raise PlanError(path, what, cure) from error
            out[(slice(None), *slices(both, window))] = np.where(part == NODATA, 0, part)
        return out

    def beside(self, window: Window, name: str) -> Bytes:
        """A score beside the classes in percent (H, W), 255 where there is none.

        Raises:
            PlanError: as of `read`.
        """
        out = np.full((window.height, window.width), NODATA, np.uint8)
        for block, both, inside in self._meeting(window):
            for part in self._read(block, inside, name):
                out[slices(both, window)] = part
        return out

    def _meeting(self, window: Window) -> Iterator[tuple[Block, Window, Window]]:
        """Blocks that meet a window, each as (block, common window, that window counted from the block's corner)."""
        size = self.plan.block
        for row in range(window.row_off // size, (window.row_off + window.height - 1) // size + 1):
            for col in range(window.col_off // size, (window.col_off + window.width - 1) // size + 1):
                if (row, col) in self.blocks:
                    whole = block_window((row, col), size)
                    both = overlap(whole, window)
                    assert both is not None  # blocks are those that meet the window
                    inside = Window(both.col_off - whole.col_off, both.row_off - whole.row_off, both.width, both.height)
                    yield (row, col), both, inside

    def empty(self, window: Window) -> bool:
        """Whether a window meets no block."""
        return next(self._meeting(window), None) is None

    def read(self, window: Window) -> tuple[Bytes, Bytes]:
        """Class and confidence (H, W) of a window, 255 where there is no block.

        Raises:
            PlanError: a block's file cannot be read, or is not the one that was committed.
        """
        out = np.full((2, window.height, window.width), NODATA, np.uint8)
        for block, both, inside in self._meeting(window):
            out[(slice(None), *slices(both, window))] = self._read(block, inside)
        return out[0], out[1]


def block_key(plan: Plan, job: Job, block: Block) -> str:
    """Hash of all that decides a block's pixels.

    The job, the grid, the sheets that its patches reach, in order, and which of these patches are kept.
    """
    window = block_window(block, plan.block)
    sheets = [f"{s.key}|{job.bands.get(s.path)}" for s in plan.meeting(grown(window, job.lattice.patch))]
    rows = job.lattice.touching(window.row_off, window.row_off + window.height)
    cols = job.lattice.touching(window.col_off, window.col_off + window.width)
    kept = kept_patches(job.lattice, plan.footprint(footprint_reach(job.lattice, rows, cols)), rows, cols)
    parts = [job.key, plan.grid.to_json(), plan.block, block, plan.values_everywhere, plan.area, sheets]
    parts.append(np.packbits(kept).tobytes().hex())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

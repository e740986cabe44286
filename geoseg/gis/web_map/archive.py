"""One PMTiles archive of pictures: tiles in any order go in, one file comes out (PMTiles version 3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmtiles.reader import MmapSource, Reader
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from geoseg.arrays import Json
from geoseg.commit import disk_faults, scratch, settle
from geoseg.errors import EnvironmentFault
from geoseg.gis.web_map.mercator import Bounds, degrees

__all__ = ["Archive", "new_archive", "tile_of"]

KINDS = {"webp": TileType.WEBP, "png": TileType.PNG}


class Archive:
    """An archive that is being written. Tiles that hold the same bytes are kept once."""

    def __init__(self, writer: Writer) -> None:
        self._writer, self.tiles = writer, 0

    def add(self, zoom: int, x: int, y: int, data: bytes) -> None:
        """Add one tile, a picture file."""
        self._writer.write_tile(zxy_to_tileid(zoom, x, y), data)
        self.tiles += 1


@contextmanager
def new_archive(path: Path, kind: str, box: Bounds, name: str) -> Iterator[Archive]:
    """Write a file under its final name when the `with` block ends well, if it has any tiles.

    Args:
        path: the file.
        kind: of its pictures, one of `KINDS`.
        box: what it covers, in Web Mercator.
        name: what it shows.

    Raises:
        EnvironmentFault: the disk refuses it.
    """
    with scratch(path) as tiles, scratch(path) as whole, disk_faults(path):
        with tiles.open("w+b") as pictures, whole.open("wb") as out:
            writer = Writer(out)
            writer.tile_f.close()
            writer.tile_f = pictures  # beside the file, not in a folder for small temporary ones
            archive = Archive(writer)
            yield archive
            if not archive.tiles:
                return
            pictures.flush()
            writer.finalize(_header(kind, box), {"name": name, "format": kind})
        settle(whole, path, lambda written: _check(path, written, archive.tiles))


def _header(kind: str, box: Bounds) -> Json:
    (west, south), (east, north) = degrees(box[0], box[1]), degrees(box[2], box[3])
    values = {
        "min_lon_e7": west, "min_lat_e7": south, "max_lon_e7": east, "max_lat_e7": north,
        "center_lon_e7": (west + east) / 2, "center_lat_e7": (south + north) / 2,
    }  # fmt: skip
    whole = {name: round(value * 10_000_000) for name, value in values.items()}
    return {**whole, "tile_type": KINDS[kind], "tile_compression": Compression.NONE, "center_zoom": 0}


def _check(path: Path, written: Path, tiles: int) -> None:
    with written.open("rb") as file:
        found = Reader(MmapSource(file)).header()["addressed_tiles_count"]
    if found != tiles:
        raise EnvironmentFault(path, f"holds {found} of {tiles} tiles", "check the disk, then run it again")


def tile_of(path: Path, zoom: int, x: int, y: int) -> bytes | None:
    """The bytes of one tile of an archive; None where it has none."""
    with path.open("rb") as file:
        found: bytes | None = Reader(MmapSource(file)).get(zoom, x, y)
    return found

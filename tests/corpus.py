"""Hostile and damaged inputs, and odd ones that are right: sheets, models, configs, paths.

Each sheet case writes one file, in a folder of its own. `sheets/test_hostile.py` gives all of them to one run;
`benchmarks/hostile.py` gives each to a process of its own, and watches memory, time, files and connections.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine
from support import CRS, PLACE, moved, write_sheet

SIDE = 160
REFUSED, READ, EITHER = "refused", "read", "either"


@dataclass(frozen=True)
class Spot:
    """Where a case writes its file, its place on the ground, right pixels (3, 160, 160), and bait: a file and a server.

    Nobody may touch the bait.
    """

    path: Path
    place: Affine
    pixels: np.ndarray
    secret: Path
    url: str

    def write(self, **profile: object) -> Path:
        """A right sheet there; profile keys change it."""
        pixels = profile.pop("pixels", self.pixels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return write_sheet(self.path, np.asarray(pixels), **{"place": self.place, **profile})

    def put(self, data: bytes | str) -> Path:
        """These bytes there."""
        self.path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return self.path


@dataclass(frozen=True)
class Case:
    """One sheet: how it is made, what must become of it, and words of the reason."""

    make: Callable[[Spot], object]
    outcome: str = REFUSED
    words: str = ""


TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}
DEFLATE = {"compress": "deflate", **TILED}


def _right(s: Spot, **profile: object) -> bytes:
    return s.write(**(profile or DEFLATE)).read_bytes()


def _cut(share: float, **profile: object) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        data = _right(s, **profile)
        s.put(data[: int(len(data) * share) if share < 1 else -1])

    return make


def _hole(share: float, **profile: object) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        data, size = bytearray(_right(s, **profile)), 1000
        at = int(len(data) * share)
        data[at : at + size] = bytes(size)
        s.put(bytes(data))

    return make


def _flipped(seed: int, first: int = 0, last: int | None = None, flips: int = 1) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        data, rng = bytearray(_right(s)), random.Random(seed)
        for _ in range(flips):
            data[rng.randrange(first, last or len(data))] ^= 1 << rng.randrange(8)
        s.put(bytes(data))

    return make


def _retagged(tag: int, value: int, kind: int | None = None, count: int | None = None) -> Callable[[Spot], object]:
    """One entry of the first directory says something else."""

    def make(s: Spot) -> None:
        data = bytearray(_right(s, **TILED))
        start = struct.unpack_from("<I", data, 4)[0]
        for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
            code, old_kind, old_count = struct.unpack_from("<HHI", data, at)
            if code == tag:
                struct.pack_into(
                    "<HHII", data, at, code, kind or old_kind, old_count if count is None else count, value
                )
        s.put(bytes(data))

    return make


def _without(tag: int) -> Callable[[Spot], object]:
    """One entry of the first directory is gone (it bears a private number)."""

    def make(s: Spot) -> None:
        data = bytearray(_right(s, **TILED))
        start = struct.unpack_from("<I", data, 4)[0]
        for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
            if struct.unpack_from("<H", data, at)[0] == tag:
                struct.pack_into("<H", data, at, 65001)
        s.put(bytes(data))

    return make


def _next_directory(offset: int | None) -> Callable[[Spot], object]:
    """The pointer behind the first directory: to itself (None) or anywhere."""

    def make(s: Spot) -> None:
        data = bytearray(_right(s, **TILED))
        start = struct.unpack_from("<I", data, 4)[0]
        count = struct.unpack_from("<H", data, start)[0]
        struct.pack_into("<I", data, start + 2 + 12 * count, start if offset is None else offset)
        s.put(bytes(data))

    return make


def _tiny(**tags: tuple[int, int, int]) -> Callable[[Spot], object]:
    """A TIFF of one directory and nothing else: name -> (tag, type, value)."""

    def make(s: Spot) -> None:
        entries = sorted(tags.values())
        body = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
        body += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
        s.put(body + struct.pack("<I", 0) + bytes(16))

    return make


def _declared(width: int, height: int, bands: int = 1, rows: int | None = None) -> Callable[[Spot], object]:
    tags = {
        "w": (256, 4, width),
        "h": (257, 4, height),
        "bits": (258, 3, 8),
        "codec": (259, 3, 1),
        "photo": (262, 3, 1),
    }
    tags |= {"at": (273, 4, 8), "n": (277, 3, bands), "rows": (278, 4, rows or height), "bytes": (279, 4, 16)}
    return _tiny(**tags)


def _sparse(side: int, **profile: object) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        settings = {"driver": "GTiff", "count": 3, "height": side, "width": side, "dtype": "uint8", "crs": CRS}
        settings |= {"transform": s.place, "sparse_ok": True, "bigtiff": "yes", **profile}
        with rasterio.open(s.path, "w", **settings):
            pass

    return make


def _bomb(s: Spot) -> None:
    """One DEFLATE tile of 16384 x 16384 zeros, three bands: 800 MB in less than 1 MB."""
    settings = {
        "driver": "GTiff",
        "count": 3,
        "height": 16_384,
        "width": 16_384,
        "dtype": "uint8",
        "crs": CRS,
        "compress": "deflate",
    }
    settings |= {"transform": s.place, "tiled": True, "blockxsize": 16_384, "blockysize": 16_384, "interleave": "pixel"}
    with rasterio.open(s.path, "w", **{**settings, "blockxsize": 512, "blockysize": 512, "sparse_ok": True}):
        pass
    data = bytearray(s.path.read_bytes())
    start = struct.unpack_from("<I", data, 4)[0]
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, at)[0] in (322, 323):
            struct.pack_into("<HI", data, at + 2, 4, 1)
            struct.pack_into("<I", data, at + 8, 16_384)
    s.put(bytes(data))


def _other_driver(driver: str, **options: object) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        with warnings.catch_warnings(), rasterio.io.MemoryFile(ext=".jp2") as memory:  # OpenJPEG looks at it
            warnings.simplefilter("ignore")
            with memory.open(driver=driver, count=3, height=SIDE, width=SIDE, dtype="uint8", **options) as dataset:
                dataset.write(s.pixels)
            s.put(bytes(memory.getbuffer()))

    return make


def _jp2(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Spot], object]:
    """A JPEG 2000 file on the right place whose bytes were changed."""

    def make(s: Spot) -> None:
        _other_driver("JP2OpenJPEG", crs=CRS, transform=PLACE, QUALITY="100", REVERSIBLE="YES")(s)
        s.put(bytes(change(bytearray(s.path.read_bytes()))))

    return make


def _shortened(share: float) -> Callable[[bytearray], bytes | bytearray]:
    return lambda data: data[: int(len(data) * share)]


def _flips(seed: int, count: int) -> Callable[[bytearray], bytes | bytearray]:
    def change(data: bytearray) -> bytearray:
        rng = np.random.default_rng(seed)
        for at in rng.integers(12, len(data), count).tolist():
            data[at] ^= 1 << int(rng.integers(8))
        return data

    return change


def _claims_to_be_huge(data: bytearray) -> bytearray:
    """Sides of a million pixels in one tile, in the box and in the code stream."""
    box, stream = data.index(b"ihdr") + 4, data.index(b"\xff\x51") + 6
    data[box : box + 8] = struct.pack(">II", 1_000_000, 1_000_000)
    data[stream : stream + 8] = struct.pack(">II", 1_000_000, 1_000_000)
    data[stream + 16 : stream + 24] = struct.pack(">II", 1_000_000, 1_000_000)
    return data


def _controlled(s: Spot) -> None:
    """Ground control points instead of a geotransform."""
    s.write(place=Affine.identity(), crs=None)
    points = [GroundControlPoint(r, c, *(s.place @ (c, r))) for r, c in ((0, 0), (0, SIDE), (SIDE, 0), (SIDE, SIDE))]
    with rasterio.open(s.path, "r+") as dataset:
        dataset.gcps = points, CRS


def _modelled(s: Spot) -> None:
    """Rational polynomials instead of a geotransform, as satellite images have them."""
    s.write(place=Affine.identity(), crs=None)
    names = ("LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF", "LINE_SCALE", "SAMP_SCALE", "LAT_SCALE")
    facts = {**dict.fromkeys((*names, "LONG_SCALE", "HEIGHT_SCALE"), "1")}
    numbers = " ".join(["1", *["0"] * 19])
    facts |= dict.fromkeys(("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"), numbers)
    with rasterio.open(s.path, "r+") as dataset:
        dataset.update_tags(ns="RPC", **facts)


def _sidecar(suffix: str, text: Callable[[Spot], str], **profile: object) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        s.write(**(profile or DEFLATE))
        Path(f"{s.path}{suffix}").write_text(text(s))

    return make


def _raw_vrt(s: Spot, source: str | None = None, side: int = SIDE) -> str:
    """A virtual raster whose pixels are the bytes of another file."""
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{b}" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativetoVRT="{int(source is not None)}">'
        f"{source or s.secret}</SourceFilename><ImageOffset>0</ImageOffset>"
        "<PixelOffset>1</PixelOffset><LineOffset>1</LineOffset></VRTRasterBand>"
        for b in (1, 2, 3)
    )
    return f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}">{bands}</VRTDataset>'


def _simple_vrt(source: str) -> str:
    return (
        f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )


PYTHON_VRT = (
    '<VRTDataset rasterXSize="9" rasterYSize="9">'
    '<VRTRasterBand dataType="Byte" band="1" subClass="VRTDerivedRasterBand">'
    "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionType>f</PixelFunctionType><PixelFunctionCode>"
    "import os\ndef f(*a, **k): os.system('touch RAN')</PixelFunctionCode></VRTRasterBand></VRTDataset>"
)
XML_BOMB = "<!DOCTYPE a [" + "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10 if k else "x" * 99}">' for k in range(12))
XML_BOMB += "]><VRTDataset>&e11;</VRTDataset>"


def _wms(s: Spot) -> str:
    return (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{s.url}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>'
        "<DataWindow><UpperLeftX>0</UpperLeftX>"
        "<UpperLeftY>9</UpperLeftY><LowerRightX>9</LowerRightX><LowerRightY>0</LowerRightY><SizeX>9</SizeX><SizeY>9</SizeY></DataWindow>"
        "<BandsCount>3</BandsCount></GDAL_WMS>"
    )


def _zip(name: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, bytes(10 << 20))
    return memory.getvalue()


def _fill(value: float, dtype: str) -> Callable[[Spot], object]:
    return lambda s: s.write(pixels=np.full((3, SIDE, SIDE), value, dtype), **DEFLATE)


def _typed(dtype: str) -> Callable[[Spot], object]:
    return lambda s: s.write(pixels=s.pixels.astype(dtype), **DEFLATE)


def _named(name: str) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        s.write(**DEFLATE)
        os.rename(s.path, os.path.join(os.fsencode(s.path.parent), name.encode("utf-8", "surrogateescape")))

    return make


def _mask(data: Callable[[Spot], bytes]) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        s.write(**DEFLATE)
        Path(f"{s.path}.msk").write_bytes(data(s))

    return make


def _mask_of(s: Spot, height: int = SIDE, width: int = SIDE, value: int = 255) -> bytes:
    with rasterio.io.MemoryFile() as memory:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = memory.open(
                driver="GTiff", count=1, height=height, width=width, dtype="uint8", compress="deflate"
            )
        with dataset:
            dataset.write(np.full((1, height, width), value, np.uint8))
        return bytes(memory.getbuffer())


def _cut_mask(s: Spot) -> bytes:
    data = _mask_of(s)
    return data[: len(data) // 2]


def _two_pages(s: Spot) -> None:
    s.write(**DEFLATE)
    with rasterio.open(s.path, "r+") as dataset:
        dataset.build_overviews([2, 4])


def _odd(**profile: object) -> Case:
    """A right sheet in another form: read like the plain one."""
    return Case(lambda s: s.write(**profile), READ)


def _world(text: str) -> Callable[[Spot], object]:
    def make(s: Spot) -> None:
        s.write(place=Affine.identity(), **DEFLATE)
        s.path.with_suffix(".tfw").write_text(text.format(a=s.place))

    return make


def _link(target: Callable[[Spot], str]) -> Callable[[Spot], object]:
    return lambda s: s.path.symlink_to(target(s))


NOT_TIFF, ODD_SIZE = "is not a TIFF", "declares|blocks of|cannot be read|is damaged"
DAMAGED = "cannot be read|is damaged"
OTHER_TYPES = ("uint16", "int16", "uint32", "int32", "float32", "float64", "complex64", "complex128", "int8")
ELSEWHERE = "<PAMDataset><GeoTransform>0,1,0,0,0,-1</GeoTransform><SRS>EPSG:4326</SRS></PAMDataset>"
NAMES = (
    "a b.tif",
    "Bäume 木.tif",
    "a\nb.tif",
    "-rf.tif",
    "*[a]?.tif",
    'it\'s "so".tif',
    "$(touch RAN).tif",
    ";touch RAN;.tif",
    "%s%n.tif",
    "a" * 240 + ".tif",
)

VIRTUAL: dict[str, Callable[[Spot], str]] = {
    "raw bytes": _raw_vrt,
    "raw bytes, relative": lambda s: _raw_vrt(s, "../../secret.txt"),
    "a sheet in another folder": lambda s: _simple_vrt("../good.tif"),
    "a sheet in another folder by its whole path": lambda s: _simple_vrt(str(s.path.parent.parent / "good.tif")),
    "a file of the system": lambda s: _simple_vrt("/etc/hostname"),
    "a file of the system in spaces": lambda s: _simple_vrt("  /etc/hostname\n"),
    "itself": lambda s: _simple_vrt(s.path.with_suffix(".vrt").name),
    "the network": lambda s: _simple_vrt(f"/vsicurl/{s.url}/a.tif"),
    "the network as an address": lambda s: _simple_vrt(f"{s.url}/a.tif"),
    "a zip": lambda s: _simple_vrt("/vsizip/a.zip/a.tif"),
    "a directory of a TIFF": lambda s: _simple_vrt("GTIFF_DIR:1:a.tif"),
    "another one inside": lambda s: _simple_vrt("&lt;VRTDataset/&gt;"),
    "Python": lambda s: PYTHON_VRT,
    "an XML bomb": lambda s: XML_BOMB,
    "a map service": lambda s: _wms(s),
    "nothing": lambda s: _simple_vrt(""),
}
"""Virtual rasters by what they name; all are refused, also where virtual rasters are allowed."""

SHEETS: dict[str, Case] = {
    # what copying, disks and transfers do
    "empty": Case(lambda s: s.put(b""), words="is empty"),
    "one byte": Case(lambda s: s.put(b"I"), words=NOT_TIFF),
    "signature only": Case(lambda s: s.put(b"II*\0"), words="cannot be read"),
    "header only": Case(lambda s: s.put(b"II*\0\x08\0\0\0"), words="cannot be read"),
    "wrong magic": Case(lambda s: s.put(b"XX" + _right(s)[2:]), words=NOT_TIFF),
    "byte order lie": Case(lambda s: s.put(b"MM\0*" + _right(s)[4:]), words="cannot be read"),
    "random": Case(lambda s: s.put(random.Random(1).randbytes(4096)), words=NOT_TIFF),
    "random behind a signature": Case(
        lambda s: s.put(b"II*\0" + random.Random(2).randbytes(4096)), words="cannot be read"
    ),
    "zeros": Case(lambda s: s.put(bytes(4096)), words=NOT_TIFF),
    "text": Case(lambda s: s.put("a picture, promised"), words=NOT_TIFF),
    "error page": Case(lambda s: s.put("<html><body>502 Bad Gateway</body></html>"), words=NOT_TIFF),
    "LFS pointer": Case(lambda s: s.put("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), words=NOT_TIFF),
    "gzip": Case(lambda s: s.put(gzip.compress(_right(s))), words=NOT_TIFF),
    "zip": Case(lambda s: s.put(_zip("a.tif")), words=NOT_TIFF),
    "zip slip": Case(lambda s: s.put(_zip("../../a.tif")), words=NOT_TIFF),
    "AppleDouble": Case(lambda s: s.put(b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + bytes(99)), words=NOT_TIFF),
    "PNG": Case(_other_driver("PNG"), words="no georeference"),
    "JPEG": Case(_other_driver("JPEG"), words="no georeference"),
    **{f"JPEG 2000, cut at {share:g}": Case(_jp2(_shortened(share)), words=DAMAGED) for share in (0.01, 0.5, 0.95)},
    **{f"JPEG 2000, flip {seed}": Case(_jp2(_flips(seed, 1)), EITHER) for seed in range(12)},
    **{f"JPEG 2000, 60 flips {seed}": Case(_jp2(_flips(seed, 60)), EITHER) for seed in range(6)},
    "JPEG 2000 that claims to be huge": Case(_jp2(_claims_to_be_huge), words="declares|cannot be read|damaged"),
    "BMP": Case(_other_driver("BMP"), words=NOT_TIFF),
    **{f"cut at {share:g}": Case(_cut(share), words=DAMAGED) for share in (0.01, 0.1, 0.5, 0.9, 0.99)},
    "cut by its last byte": Case(_cut(1), words=DAMAGED),
    **{f"raw, cut at {share:g}": Case(_cut(share, **TILED), words=DAMAGED) for share in (0.01, 0.1, 0.5, 0.9, 0.99)},
    **{f"strips, cut at {share:g}": Case(_cut(share, compress="lzw"), words=DAMAGED) for share in (0.1, 0.5, 0.9)},
    "hole of zeros": Case(_hole(0.5), words="is damaged"),
    "hole of zeros near the end": Case(_hole(0.9), words="is damaged"),
    "raw, hole of zeros": Case(_hole(0.5, **TILED), EITHER),
    **{f"flip {seed} in the header": Case(_flipped(seed, 0, 400), EITHER) for seed in range(24)},
    **{f"flip {seed} anywhere": Case(_flipped(100 + seed), EITHER) for seed in range(12)},
    **{f"100 flips {seed}": Case(_flipped(200 + seed, 400, None, 100)) for seed in range(6)},
    **{f"header shot {seed}": Case(_flipped(300 + seed, 8, 400, 40), EITHER) for seed in range(12)},
    # what a header may claim
    "directory past the end": Case(
        lambda s: s.put(b"II*\0" + struct.pack("<I", 1 << 30) + bytes(99)), words="cannot be read"
    ),
    "directory loop": Case(_next_directory(None), EITHER),
    "next directory past the end": Case(_next_directory(1 << 31), EITHER),
    "next directory in the pixels": Case(_next_directory(200), EITHER),
    "width 0": Case(_retagged(256, 0), words="cannot be read"),
    "height 0": Case(_retagged(257, 0), words="cannot be read"),
    "width x 1000": Case(_retagged(256, 160_000, 4), EITHER),
    "width 2^31": Case(_retagged(256, 0x7FFFFFFF, 4), words=ODD_SIZE),
    "0 bands": Case(_retagged(277, 0), words="cannot be read|is damaged"),
    "4 bands that are 3": Case(_retagged(277, 4), EITHER),
    "tile width 0": Case(_retagged(322, 0), EITHER),
    "tile width 2^31": Case(_retagged(322, 0x7FFFFFF0, 4), words=ODD_SIZE),
    "tile width 17": Case(_retagged(322, 17), EITHER),
    "unknown codec": Case(_retagged(259, 65_000), words="cannot be read|is damaged"),
    "LERC that is none": Case(_retagged(259, 34_887), words="cannot be read|is damaged"),
    "JPEG that is none": Case(_retagged(259, 7), words="cannot be read|is damaged"),
    "LZMA that is none": Case(_retagged(259, 34_925), words="cannot be read|is damaged"),
    "ZSTD that is none": Case(_retagged(259, 50_000), words="cannot be read|is damaged"),
    "WebP that is none": Case(_retagged(259, 50_001), words="cannot be read|is damaged"),
    "JPEG XL that is none": Case(_retagged(259, 50_002), words="cannot be read|is damaged"),
    "fax that is none": Case(_retagged(259, 4), words="cannot be read|is damaged"),
    "sample format 7": Case(_retagged(339, 7, 3, 1), EITHER),
    "photometric 99": Case(_retagged(262, 99), EITHER),
    "planar 9": Case(_retagged(284, 9), EITHER),
    "no width": Case(_without(256), words="cannot be read"),
    "no tile offsets": Case(_without(324), EITHER),
    "no tile sizes": Case(_without(325), EITHER),
    "no bits per sample": Case(_without(258), EITHER),
    "tile offsets past the end": Case(_retagged(324, 0x7FFFFFFF), words="cannot be read|is damaged"),
    "tile sizes past the end": Case(_retagged(325, 0x7FFFFFFF), EITHER),
    "2^30 tile offsets": Case(_retagged(324, 400, None, 1 << 30), EITHER),
    "declared 2^31 x 2^31": Case(_declared(0x7FFFFFFF, 0x7FFFFFFF), words=ODD_SIZE),
    "declared 10^6 x 10^6": Case(_declared(1_000_000, 1_000_000), words=ODD_SIZE),
    "a line of 2 GB": Case(_declared(0x7FFFFFF0, 1), words=ODD_SIZE),
    "65535 bands": Case(_declared(16, 16, 65_535), words="bands|cannot be read"),
    "one strip of 30000 x 30000": Case(_declared(30_000, 30_000)),
    "sparse 200000 x 200000": Case(_sparse(200_000, tiled=True, blockxsize=512, blockysize=512), words="declares"),
    "sparse, tiles of 32768": Case(
        _sparse(40_000, tiled=True, blockxsize=32_768, blockysize=32_768), words="blocks of"
    ),
    "tiles of 16384 that hold nothing": Case(_bomb, words="blocks of|cannot be read|is damaged"),
    "40 bands": Case(lambda s: s.write(pixels=np.zeros((40, 9, 9), np.uint8)), words="40 bands"),
    # where it says that it lies
    "no CRS": Case(lambda s: s.write(crs=None), words="has no CRS"),
    "no place": Case(lambda s: s.write(place=Affine.identity()), words="no georeference"),
    "control points": Case(_controlled, words="4 ground control points: it is not rectified"),
    "rational polynomials": Case(_modelled, words="rational polynomials .RPC.: it is not rectified"),
    "degrees": Case(lambda s: s.write(crs="EPSG:4326", place=Affine(1e-6, 0, 13, 0, -1e-6, 52)), EITHER),
    "Mars": Case(lambda s: s.write(crs="+proj=eqc +R=3396190 +units=m"), EITHER),
    "local CRS": Case(lambda s: s.write(crs='LOCAL_CS["site",UNIT["metre",1]]'), words="CRS"),
    "the other side of the Earth": Case(lambda s: s.write(place=Affine(0.1, 0, 9e9, 0, -0.1, 9e9)), words=""),
    "pixels of 1e-12": Case(lambda s: s.write(place=Affine(1e-12, 0, 367_000, 0, -1e-12, 5_807_000)), words=""),
    "pixels of 100 km": Case(lambda s: s.write(place=Affine(1e5, 0, 367_000, 0, -1e5, 5_807_000)), words=""),
    "pixels of no width": Case(
        lambda s: s.write(place=Affine(0.1, 0, 367_000, 0, 0, 5_807_000)), words="geotransform|georeference"
    ),
    "place is not a number": Case(lambda s: s.write(place=Affine(float("nan"), 0, 0, 0, float("nan"), 0)), words=""),
    "place is infinite": Case(lambda s: s.write(place=Affine(0.1, 0, float("inf"), 0, -0.1, 0)), words=""),
    "world file": Case(_world("{a.a}\n0\n0\n{a.e}\n367000.05\n5899999.95"), READ),
    "broken world file": Case(_world("0.1\n0\n0\nsouth\n1\n1"), words="world file"),
    "world file of no numbers": Case(_world("nan\n0\n0\nnan\n1\n1"), words="geotransform"),
    # bands and types
    "palette": Case(lambda s: s.write(pixels=s.pixels[:1], photometric="palette"), words="palette|bands"),
    "one band": Case(lambda s: s.write(pixels=s.pixels[:1]), words="1 bands, most sheets have 3"),
    "five bands": Case(
        lambda s: s.write(pixels=np.concatenate([s.pixels, s.pixels[:2]]), photometric="minisblack"), words="5 bands"
    ),
    "CMYK": Case(lambda s: s.write(pixels=np.concatenate([s.pixels, s.pixels[:1]]), photometric="cmyk"), EITHER),
    "one bit": Case(lambda s: s.write(pixels=s.pixels % 2, nbits=1), EITHER),
    **{f"{dtype} pixels": Case(_typed(dtype), words=dtype) for dtype in OTHER_TYPES},
    "64-bit pixels": Case(_typed("uint64"), words="uint64"),
    "floats that are no numbers": Case(_fill(float("nan"), "float32"), words="float32"),
    "mask of another size": Case(_mask(lambda s: _mask_of(s, 50, 50)), words="msk"),
    "mask of text": Case(_mask(lambda s: b"all of it, please"), words="msk"),
    "mask cut short": Case(_mask(_cut_mask), words="msk"),
    "mask that is a link to itself": Case(
        lambda s: (s.write(**DEFLATE), Path(f"{s.path}.msk").symlink_to(f"{s.path.name}.msk")), READ
    ),
    "mask that is a virtual raster": Case(_mask(lambda s: _raw_vrt(s).encode()), words="msk"),
    "mask that is a pipe": Case(lambda s: (s.write(**DEFLATE), os.mkfifo(f"{s.path}.msk")), READ),
    "right mask": Case(_mask(_mask_of), READ),
    # kinds of files
    "pipe": Case(lambda s: os.mkfifo(s.path), words="not a regular file"),
    "dangling link": Case(_link(lambda s: "nowhere.tif"), words="cannot be opened"),
    "link to itself": Case(_link(lambda s: s.path.name), words="cannot be opened"),
    "link to zeros without end": Case(_link(lambda s: "/dev/zero"), words="not a regular file"),
    "link to nothing": Case(_link(lambda s: "/dev/null"), words="not a regular file"),
    "link to a folder": Case(_link(lambda s: "/etc"), words="not a regular file"),
    "link to a file of the system": Case(_link(lambda s: str(s.secret)), words=NOT_TIFF),
    # files that want others opened, or the network
    "virtual raster of raw bytes": Case(lambda s: s.put(_raw_vrt(s)), words=NOT_TIFF),
    "virtual raster, relative": Case(lambda s: s.put(_raw_vrt(s, "../../secret.txt")), words=NOT_TIFF),
    "virtual raster of another": Case(lambda s: s.put(_simple_vrt("../good.tif")), words=NOT_TIFF),
    "virtual raster of itself": Case(lambda s: s.put(_simple_vrt(s.path.name)), words=NOT_TIFF),
    "virtual raster on the network": Case(lambda s: s.put(_simple_vrt(f"/vsicurl/{s.url}/a.tif")), words=NOT_TIFF),
    "virtual raster in a zip": Case(lambda s: s.put(_simple_vrt("/vsizip/a.zip/a.tif")), words=NOT_TIFF),
    "virtual raster with Python": Case(lambda s: s.put(PYTHON_VRT), words=NOT_TIFF),
    "XML bomb": Case(lambda s: s.put(XML_BOMB), words=NOT_TIFF),
    "map service": Case(lambda s: s.put(_wms(s)), words=NOT_TIFF),
    "overviews that are a virtual raster": Case(_sidecar(".ovr", _raw_vrt), READ),
    "sidecar with another place": Case(_sidecar(".aux.xml", lambda s: ELSEWHERE), READ),
    "sidecar on the network": Case(
        _sidecar(
            ".aux.xml",
            lambda s: (
                f'<PAMDataset><Metadata domain="xml:VRT"><MDI key="x">/vsicurl/{s.url}/x</MDI></Metadata>'
                "<Subdatasets/></PAMDataset>"
            ),
        ),
        READ,
    ),
    "sidecar that is a bomb": Case(_sidecar(".aux.xml", lambda s: XML_BOMB), READ),
    "overview file of text": Case(_sidecar(".ovr", lambda s: "none"), READ),
    # odd, but right
    "strips": _odd(),
    "one row of pixels": Case(lambda s: s.write(pixels=s.pixels[:, :1], **DEFLATE), READ),
    "one pixel": Case(lambda s: s.write(pixels=s.pixels[:, :1, :1]), READ),
    "LZW": _odd(compress="lzw", predictor=2, **TILED),
    "ZSTD": _odd(compress="zstd", **TILED),
    "PackBits": _odd(compress="packbits"),
    "LERC": _odd(compress="lerc", **TILED),
    "bands apart": _odd(interleave="band", **DEFLATE),
    "BigTIFF": _odd(bigtiff="yes", **DEFLATE),
    "big-endian": _odd(endianness="big", **DEFLATE),
    "with overviews": Case(_two_pages, READ),
    "no-data that no pixel bears": _odd(nodata=200, **DEFLATE),
    **{f"name {name[:20]!r}": Case(_named(name), READ) for name in NAMES},
    "name that is not UTF-8": Case(_named("\udcff\udcfe.tif"), words="not UTF-8"),
}  # fmt: skip


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.target}'",)


def _header(value: object, size: int | None = None, tail: bytes = b"") -> bytes:
    text = json.dumps(value).encode() if not isinstance(value, bytes) else value
    return struct.pack("<Q", len(text) if size is None else size) + text + tail


def _saved(value: object, **options: object) -> bytes:
    memory = io.BytesIO()
    torch.save(value, memory, **options)  # type: ignore[arg-type]
    return memory.getvalue()


def _tensor(first: int, last: int, shape: list[int], kind: str = "F32") -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [first, last]}


def _archive(name: str, data: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        file.writestr(name, data)
    return memory.getvalue()


# name -> (file name, bytes of it, given where unpickling would leave a mark); all are refused with exit 5
MODELS: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "torch archive that runs code": ("m.pt", lambda ran: _saved({"state_dict": Touch(ran)})),
    "old torch file that runs code": ("m.pth", lambda ran: _saved(Touch(ran), _use_new_zipfile_serialization=False)),
    "pickle that runs code": ("m.pkl", lambda ran: pickle.dumps(Touch(ran))),
    "pickle as .pt": ("m.pt", lambda ran: pickle.dumps(Touch(ran))),
    "pickle as .safetensors": ("m.safetensors", lambda ran: pickle.dumps(Touch(ran))),
    "pickle as .onnx": ("m.onnx", lambda ran: pickle.dumps(Touch(ran))),
    "pickle with a broken tail": ("m.pt", lambda ran: pickle.dumps(Touch(ran))[:-1] + b"garbage"),
    "torch archive, broken tail": ("m.pt", lambda ran: _saved(Touch(ran))[:-30]),
    "pickle as .npy": ("m.npy", lambda ran: b"\x93NUMPY\x01\0v\0" + pickle.dumps(Touch(ran))),
    "pickled module": ("m.pt", lambda ran: _saved(torch.nn.Conv2d(3, 6, 1))),
    "list of numbers": ("m.pt", lambda ran: _saved([1, 2, 3])),
    "weights without a card": ("m.pt", lambda ran: _saved({"w": torch.zeros(3)})),
    "empty .pt": ("m.pt", lambda ran: b""),
    "empty .safetensors": ("m.safetensors", lambda ran: b""),
    "LFS pointer": ("m.safetensors", lambda ran: b"version https://git-lfs.github.com/spec/v1\n"),
    "error page": ("m.pt", lambda ran: b"<html>404</html>"),
    "zip of text": ("m.pt", lambda ran: _archive("a/readme.txt", b"x")),
    "zip slip": ("m.pt", lambda ran: _archive("../../evil/data.pkl", pickle.dumps(Touch(ran)))),
    "header of 2^63 bytes": ("m.safetensors", lambda ran: _header(b"{}", 1 << 63)),
    "header of 2 GB": ("m.safetensors", lambda ran: _header(b"{}", 2 << 30)),
    "header that is no JSON": ("m.safetensors", lambda ran: _header(b"{{{{")),
    "header of 100,000 levels": ("m.safetensors", lambda ran: _header(b"[" * 100_000)),
    "tensors past the end": ("m.safetensors", lambda ran: _header({"w": _tensor(0, 1 << 40, [1 << 38])})),
    "tensors that overlap": (
        "m.safetensors",
        lambda ran: _header({"a": _tensor(0, 8, [2]), "b": _tensor(4, 12, [2])}, None, bytes(12)),
    ),
    "tensors with a hole": (
        "m.safetensors",
        lambda ran: _header({"a": _tensor(0, 4, [1]), "b": _tensor(8, 12, [1])}, None, bytes(12)),
    ),
    "shape of another size": (
        "m.safetensors",
        lambda ran: _header({"a": _tensor(0, 4, [1 << 30, 1 << 30])}, None, bytes(4)),
    ),
    "unknown type": ("m.safetensors", lambda ran: _header({"a": _tensor(0, 4, [1], "Q7")}, None, bytes(4))),
    "no card": ("m.safetensors", lambda ran: _header({"a": _tensor(0, 4, [1])}, None, bytes(4))),
    "ONNX that is none": ("m.onnx", lambda ran: random.Random(3).randbytes(999)),
    "program that is none": ("m.pt2", lambda ran: random.Random(4).randbytes(999)),
}  # fmt: skip


def _aliases() -> str:
    """A few lines of YAML that would unfold to 9 ** 10 words."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]\n"]
    for k in range(9):
        name, inner = chr(98 + k), ", ".join(["*" + chr(97 + k)] * 9)
        lines.append(f"{name}: &{name} [{inner}]\n")
    return "".join(lines)


# name -> (config text or bytes, exit codes); IN, RUN and BAIT stand for the folder of sheets, the run folder and a file
# that must stay as it is
CONFIGS: dict[str, tuple[str | bytes, tuple[int, ...]]] = {
    "unknown key": ("sheets: [IN]\nout: RUN\ntiel: {}\n", (2,)),
    "unknown key inside": ("sheets: [IN]\nout: RUN\ntile: {pach_size: 3}\n", (2,)),
    "key given twice": ("sheets: [IN]\nsheets: [IN]\nout: RUN\n", (2,)),
    "no sheets": ("out: RUN\n", (2,)),
    "no sheets in the list": ("sheets: []\nout: RUN\n", (2,)),
    "a list": ("- IN\n", (2,)),
    "a number": ("42\n", (2,)),
    "nothing": ("", (2,)),
    "code in a tag": ("sheets: !!python/object/apply:os.system ['touch RAN']\n", (2,)),
    "object in a tag": ("sheets: !!python/name:os.system\n", (2,)),
    "module in a tag": ("sheets: !!python/module:os\n", (2,)),
    "bomb of aliases": (_aliases(), (2,)),
    "20,000 levels": ("sheets: " + "[" * 20_000 + "\n", (2,)),
    "NUL": (b"sheets: [IN]\0\n", (2,)),
    "bytes": (bytes(range(128, 256)) * 9, (2,)),
    "Latin-1": ("sheets: [Stra\xdfe]\nout: RUN\n".encode("latin-1"), (2,)),
    "tabs": ("sheets:\n\t- IN\n", (2,)),
    "open bracket": ("sheets: [IN\n", (2,)),
    "patch of 0": ("sheets: [IN]\nout: RUN\ntile: {patch_size: 0}\n", (2,)),
    "patch below 0": ("sheets: [IN]\nout: RUN\ntile: {patch_size: -5}\n", (2,)),
    "patch of 1e12": ("sheets: [IN]\nout: RUN\ntile: {patch_size: 1000000000000}\n", (2,)),
    "patch of text": ("sheets: [IN]\nout: RUN\ntile: {patch_size: large}\n", (2,)),
    "patch of no number": ("sheets: [IN]\nout: RUN\ntile: {patch_size: .nan}\n", (2,)),
    "patch of 1.5": ("sheets: [IN]\nout: RUN\ntile: {patch_size: 1.5}\n", (2,)),
    "overlap as large as the patch": ("sheets: [IN]\nout: RUN\ntile: {patch_size: 64, overlap: 64}\n", (2,)),
    "overlap below 0": ("sheets: [IN]\nout: RUN\ntile: {patch_size: 64, overlap: -1}\n", (2,)),
    "block of 17": ("sheets: [IN]\nout: RUN\ntile: {block_size: 17}\n", (2,)),
    "GSD of infinity": ("sheets: [IN]\nout: RUN\ntile: {gsd: .inf}\n", (2,)),
    "GSD of no number": ("sheets: [IN]\nout: RUN\ntile: {gsd: .nan}\n", (2,)),
    "GSD of 1e-300": ("sheets: [IN]\nout: RUN\ntile: {gsd: 1.0e-300}\n", (2,)),
    "CRS that is none": ("sheets: [IN]\nout: RUN\ntile: {crs: 'EPSG:0'}\n", (2,)),
    "CRS that is a file": ("sheets: [IN]\nout: RUN\ntile: {crs: '@BAIT'}\n", (2,)),
    "device that is not there": ("sheets: [IN]\nout: RUN\ninfer: {device: 'cuda:77'}\n", (4,)),
    "batch of 0": ("sheets: [IN]\nout: RUN\ninfer: {batch_size: 0}\n", (2,)),
    "memory of nothing": ("sheets: [IN]\nout: RUN\ninfer: {max_ram: 1}\n", (2,)),
    "memory of text": ("sheets: [IN]\nout: RUN\ninfer: {max_ram: lots}\n", (2,)),
    "model that is not there": ("sheets: [IN]\nout: RUN\ninfer: {model: none.pt}\n", (5,)),
    "name with a path": ("sheets: [IN]\nout: RUN\nmosaic: {name: ../../evil}\n", (2,)),
    "layer that is none": ("sheets: [IN]\nout: RUN\nmosaic: {layers: [lakes]}\n", (2,)),
    "simplify below 0": ("sheets: [IN]\nout: RUN\nmosaic: {simplify: -1}\n", (2,)),
    "run folder is a file": ("sheets: [IN]\nout: BAIT\n", (2, 4)),
    "run folder in /proc": ("sheets: [IN]\nout: /proc/geoseg\n", (4,)),
    "run folder in /dev/null": ("sheets: [IN]\nout: /dev/null/run\n", (4,)),
    "sheets on the network": ("sheets: ['URL/a.tif']\nout: RUN\n", (2,)),
    "sheets by GDAL": ("sheets: ['/vsicurl/URL/a.tif']\nout: RUN\n", (2,)),
    "sheets in a bucket": ("sheets: ['s3://bucket/a.tif']\nout: RUN\n", (2,)),
    "sheets in a zip": ("sheets: ['/vsizip/IN/a.zip/a.tif']\nout: RUN\n", (2,)),
    "sheets in memory": ("sheets: ['MEM:::DATAPOINTER=1']\nout: RUN\n", (2,)),
    "a directory of a TIFF": ("sheets: ['GTIFF_DIR:1:IN/good.tif']\nout: RUN\n", (2,)),
    "keep of 0": ("sheets: [IN]\nout: RUN\nnight: {publish: true, keep: 0}\n", (2,)),
    "list that holds itself": ("&a [*a]\n", (2,)),
    "key that is a list": ("? [1]\n: 2\n", (2,)),
    "date that is none": ("sheets: [IN]\nout: RUN\nmosaic: {name: 2025-02-30}\n", (2,)),
    "number of 5000 digits": ("sheets: [IN]\nout: RUN\ntile: {patch_size: " + "9" * 5000 + "}\n", (2,)),
    "time without end": ("sheets: [IN]\nout: RUN\ninfer: {read_timeout: .inf}\n", (2,)),
    "hook that is text": ("sheets: [IN]\nout: RUN\nnight: {hooks: {success: 'rm -rf /'}}\n", (2,)),
}  # fmt: skip


def spots(folder: Path, url: str) -> dict[str, Spot]:
    """A spot for each sheet case, 20 m apart, all with the same bait; the first one is for a right sheet."""
    secret = folder / "secret.txt"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_bytes(b"7" * 200_000)
    found = {}
    for number, name in enumerate(["good", *SHEETS]):
        path = folder / "in" / f"{number:03}" / "bad.tif" if number else folder / "in" / "good.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        row, col = divmod(number, 20)
        pixels = np.random.default_rng(number).integers(0, 6, (3, SIDE // 10, SIDE // 10), np.uint8)
        found[name] = Spot(
            path, moved(PLACE, 200 * col, 200 * row), np.kron(pixels, np.ones((1, 10, 10), np.uint8)), secret, url
        )
    return found
